//! An answer as a tree of fields, read from its `{:#?}` text, and flattened to `path = value` lines.

use std::collections::BTreeMap;

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    /// A number, text, id or word, as Debug prints it.
    Leaf(String),
    /// A structure: its fields in order.
    Fields(Vec<(String, Tree)>),
    /// An array.
    List(Vec<Tree>),
}

/// Fields by which an element of an array is known, the first that it has.
const NAMES: &[&str] = &[
    "name",
    "topic",
    "topic_id",
    "partition_index",
    "index",
    "partition",
    "api_key",
    "resource_name",
    "broker_id",
    "node_id",
    "log_dir",
    "batch_index",
    "base_offset",
    "offset",
    "producer_id",
];

/// Reads the pretty Debug text of a message.
pub(super) fn parse(text: &str) -> Tree {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut at = 0;
    let tree = parse_value(&lines, &mut at, lines[0]);
    assert_eq!(at, lines.len(), "the whole text is one value");
    tree
}

/// Reads the value that starts with `head` on line `at`; `at` then stands on the line after it.
fn parse_value(lines: &[&str], at: &mut usize, head: &str) -> Tree {
    *at += 1;
    if head.ends_with('{') && !head.starts_with('"') {
        let mut fields = Vec::new();
        while !is_end(lines[*at], '}') {
            let (name, value) = lines[*at].split_once(": ").expect("a field has a name");
            fields.push((name.to_owned(), parse_value(lines, at, value)));
        }
        *at += 1;
        Tree::Fields(fields)
    } else if head.ends_with('[') && !head.starts_with('"') {
        let items = parse_items(lines, at, ']');
        Tree::List(items)
    } else if head.ends_with('(') && !head.starts_with('"') {
        // Some(…), Bytes(…) and other wrappers of one value: what is inside matters.
        let mut items = parse_items(lines, at, ')');
        assert_eq!(items.len(), 1, "a wrapper holds one value: {head}");
        items.remove(0)
    } else {
        let leaf = head.strip_suffix(',').unwrap_or(head);
        match leaf {
            "[]" => Tree::List(Vec::new()),
            _ => Tree::Leaf(leaf.to_owned()),
        }
    }
}

fn parse_items(lines: &[&str], at: &mut usize, end: char) -> Vec<Tree> {
    let mut items = Vec::new();
    while !is_end(lines[*at], end) {
        let head = lines[*at];
        items.push(parse_value(lines, at, head));
    }
    *at += 1;
    items
}

fn is_end(line: &str, end: char) -> bool {
    line.strip_suffix(',').unwrap_or(line).chars().eq([end])
}

impl Tree {
    /// The field `name` of a structure.
    pub(super) fn field(&self, name: &str) -> Option<&Tree> {
        match self {
            Tree::Fields(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value),
            Tree::Leaf(_) | Tree::List(_) => None,
        }
    }

    pub(super) fn leaf(&self) -> Option<&str> {
        match self {
            Tree::Leaf(text) => Some(text),
            Tree::Fields(_) | Tree::List(_) => None,
        }
    }

    /// Every leaf with the path to it, and the length of every array. Elements go by name where they have one, so that order
    /// does not count; two of one name are numbered.
    pub(super) fn flatten(&self) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::new();
        self.flatten_into("", &mut lines);
        lines
    }

    fn flatten_into(&self, path: &str, lines: &mut BTreeMap<String, String>) {
        match self {
            Tree::Leaf(text) => {
                lines.insert(path.to_owned(), text.clone());
            }
            Tree::Fields(fields) => {
                for (name, value) in fields {
                    let separator = if path.is_empty() { "" } else { "." };
                    value.flatten_into(&format!("{path}{separator}{name}"), lines);
                }
            }
            Tree::List(items) => {
                lines.insert(format!("{path}.count"), items.len().to_string());
                let mut seen: BTreeMap<String, usize> = BTreeMap::new();
                for (position, item) in items.iter().enumerate() {
                    let name = item.name().unwrap_or_else(|| position.to_string());
                    let times = seen.entry(name.clone()).or_default();
                    *times += 1;
                    let suffix = if *times == 1 { String::new() } else { format!("#{times}") };
                    item.flatten_into(&format!("{path}[{name}{suffix}]"), lines);
                }
            }
        }
    }

    /// What an element of an array is known by.
    fn name(&self) -> Option<String> {
        NAMES.iter().find_map(|name| self.field(name)?.leaf()).filter(|leaf| *leaf != "None").map(|leaf| leaf.trim_matches('"').to_owned())
    }

    /// Replaces leaves: `change` gets the name of the field and its text.
    pub(super) fn replace(&mut self, change: &mut impl FnMut(&str, &str) -> Option<String>) {
        self.replace_in("", change);
    }

    fn replace_in(&mut self, field: &str, change: &mut impl FnMut(&str, &str) -> Option<String>) {
        match self {
            Tree::Leaf(text) => {
                if let Some(new) = change(field, text) {
                    *text = new;
                }
            }
            Tree::Fields(fields) => fields.iter_mut().for_each(|(name, value)| value.replace_in(name, change)),
            Tree::List(items) => items.iter_mut().for_each(|item| item.replace_in(field, change)),
        }
    }
}

#[test]
fn an_answer_becomes_lines() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "only its Debug text is read")]
    struct Part {
        index: i32,
        text: Option<&'static str>,
        numbers: Vec<u8>,
    }
    let part = |index, text| Part { index, text, numbers: vec![7] };
    let parts = vec![part(1, Some("a: {[(\n")), part(0, None), part(1, Some(""))];
    let lines: Vec<String> =
        parse(&format!("{:#?}", parts)).flatten().into_iter().map(|(path, value)| format!("{path} = {value}")).collect();
    assert_eq!(
        lines,
        [
            ".count = 3",
            "[0].index = 0",
            "[0].numbers.count = 1",
            "[0].numbers[0] = 7",
            "[0].text = None",
            "[1#2].index = 1",
            "[1#2].numbers.count = 1",
            "[1#2].numbers[0] = 7",
            "[1#2].text = \"\"",
            "[1].index = 1",
            "[1].numbers.count = 1",
            "[1].numbers[0] = 7",
            "[1].text = \"a: {[(\\n\"",
        ]
    );
}
