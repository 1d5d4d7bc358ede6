//! An answer as a tree of fields, read from its `{:#?}` text, and compared with another.

use std::{collections::BTreeMap, fmt};

/// What stands for a value that one side lacks.
pub(super) const ABSENT: &str = "(absent)";

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
    "group_id",
    "member_id",
    "key",
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

    /// Calls `found` with the path, our text and theirs for everything that differs from `other`, and returns how many values
    /// were compared. Elements of an array go by name where they have one, so that order does not count; two of one name are
    /// numbered. An element that one side lacks is a single difference.
    pub(super) fn differences(&self, other: &Tree, path: &str, found: &mut impl FnMut(&str, &str, &str)) -> usize {
        match (self, other) {
            (Tree::Fields(ours), Tree::Fields(_)) if !ours.is_empty() => {
                let separator = if path.is_empty() { "" } else { "." };
                both(self.parts(), other.parts(), |name| format!("{path}{separator}{name}"), found)
            }
            (Tree::List(ours), Tree::List(theirs)) if !ours.is_empty() || !theirs.is_empty() => {
                both(self.parts(), other.parts(), |name| format!("{path}[{name}]"), found)
            }
            _ => {
                if self != other {
                    found(path, &self.to_string(), &other.to_string());
                }
                1
            }
        }
    }

    /// Fields by name, elements of an array by what they are known by.
    fn parts(&self) -> BTreeMap<String, &Tree> {
        match self {
            Tree::Leaf(_) => BTreeMap::new(),
            Tree::Fields(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Tree::List(items) => {
                let mut seen: BTreeMap<String, usize> = BTreeMap::new();
                let named = items.iter().enumerate().map(|(position, item)| {
                    let name = item.name().unwrap_or_else(|| position.to_string());
                    let times = seen.entry(name.clone()).or_default();
                    *times += 1;
                    let suffix = if *times == 1 { String::new() } else { format!("#{times}") };
                    (format!("{name}{suffix}"), item)
                });
                named.collect()
            }
        }
    }

    /// What an element of an array is known by.
    fn name(&self) -> Option<String> {
        // A group may have the empty name; for all else that means that there is none.
        let known = |name: &&str| self.field(name)?.leaf().filter(|leaf| *name == "group_id" || !matches!(*leaf, "None" | "\"\""));
        let name = NAMES.iter().find_map(known)?.trim_matches('"');
        // Resources of several types may have one name.
        Some(self.field("resource_type").and_then(Tree::leaf).map_or_else(|| name.to_owned(), |kind| format!("{name}, {kind}")))
    }

    /// Calls `visit` for every structure in the tree.
    pub(super) fn structures(&self, visit: &mut impl FnMut(&Tree)) {
        match self {
            Tree::Leaf(_) => {}
            Tree::Fields(fields) => {
                visit(self);
                fields.iter().for_each(|(_, value)| value.structures(visit));
            }
            Tree::List(items) => items.iter().for_each(|item| item.structures(visit)),
        }
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

/// Compares the parts of two structures or arrays.
fn both(
    left: BTreeMap<String, &Tree>,
    right: BTreeMap<String, &Tree>,
    path: impl Fn(&str) -> String,
    found: &mut impl FnMut(&str, &str, &str),
) -> usize {
    let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let compare = |name: &String| match (left.get(name), right.get(name)) {
        (Some(left), Some(right)) => left.differences(right, &path(name), found),
        (left, right) => {
            let text = |side: Option<&&Tree>| side.map_or_else(|| ABSENT.to_owned(), |tree| tree.to_string());
            found(&path(name), &text(left), &text(right));
            1
        }
    };
    names.into_iter().map(compare).sum()
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tree::Leaf(text) => f.write_str(text),
            Tree::Fields(fields) => {
                for (at, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if at == 0 { "{" } else { ", " })?;
                }
                f.write_str("}")
            }
            Tree::List(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}

#[derive(Debug)]
#[expect(dead_code, reason = "only its Debug text is read")]
struct Part {
    index: i32,
    text: Option<&'static str>,
    numbers: Vec<u8>,
}

#[test]
fn an_answer_becomes_a_tree() {
    let part = |index, text| Part { index, text, numbers: vec![7] };
    let parts = vec![part(1, Some("a: {[(\n")), part(0, None)];
    let text = r#"[{index: 1, text: "a: {[(\n", numbers: [7]}, {index: 0, text: None, numbers: [7]}]"#;
    assert_eq!(parse(&format!("{parts:#?}")).to_string(), text);
}

#[test]
fn arrays_are_compared_by_the_names_of_their_elements() {
    let part = |index, text, numbers| Part { index, text, numbers };
    let left = vec![part(1, Some("a"), vec![7]), part(0, None, vec![]), part(1, Some(""), vec![1, 2]), part(5, None, vec![])];
    let right = vec![part(0, None, vec![3]), part(1, Some("b"), vec![7]), part(1, Some(""), vec![1, 3])];
    let [left, right] = [left, right].map(|parts| parse(&format!("{parts:#?}")));
    let mut found = Vec::new();
    let count = left.differences(&right, "", &mut |path, a, b| found.push(format!("{path}: {a} | {b}")));
    let expected = [
        "[0].numbers[0]: (absent) | 3",
        "[1].text: \"a\" | \"b\"",
        "[1#2].numbers[1]: 2 | 3",
        "[5]: {index: 5, text: None, numbers: []} | (absent)",
    ];
    found.sort_unstable();
    let mut sorted = expected.map(str::to_owned).to_vec();
    sorted.sort_unstable();
    assert_eq!(found, sorted);
    assert_eq!(count, 11);
    assert_eq!(left.differences(&left, "", &mut |path, _, _| panic!("{path} differs from itself")), 13);
}
