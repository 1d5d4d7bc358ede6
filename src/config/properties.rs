//! The `.properties` format of Java (java.util.Properties.load): what `server.properties` is written in.
//!
//! `key=value`, `key: value` or `key value`; `#` and `!` start comment lines; a backslash at the end continues the
//! line; `\t \n \r \f`, `\uXXXX` and a backslash before any other character are escapes. Unlike Java's, which reads
//! Latin-1, the text is UTF-8. Like Java's, white space at the end of a value stays; what reads the value trims it.

/// One `key=value` of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The key, unescaped.
    pub key: String,
    /// The value, unescaped.
    pub value: String,
    /// Line of the file on which it starts, from 1.
    pub line: usize,
}

/// A line that is no property.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PropertiesError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// All properties of `text` in order; a key may occur several times.
///
/// # Errors
/// A `\u` that four hexadecimal digits do not follow, or that is half a surrogate pair; a line without a key.
pub fn parse(text: &str) -> Result<Vec<Property>, PropertiesError> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let start = first.trim_start_matches(is_blank);
        if start.is_empty() || start.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = start.to_owned();
        while ends_with_escape(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(is_blank));
        }
        let line = index + 1;
        let (key, value) = split(&logical);
        let unescaped = |raw| unescape(raw).map_err(|problem| PropertiesError { line, problem });
        let key = unescaped(key)?;
        if key.is_empty() {
            return Err(PropertiesError { line, problem: "a value without a key" });
        }
        found.push(Property { key, value: unescaped(value)?, line });
    }
    Ok(found)
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

/// True if an odd number of backslashes ends the line.
fn ends_with_escape(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Key and value, still escaped: the key ends at the first unescaped `=`, `:` or blank.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, character)| {
            let ends = !escaped && (matches!(character, '=' | ':') || is_blank(*character));
            escaped = !escaped && *character == '\\';
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(is_blank))
}

fn unescape(raw: &str) -> Result<String, &'static str> {
    if !raw.contains('\\') {
        return Ok(raw.to_owned());
    }
    let mut units = Vec::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
            continue;
        }
        match characters.next() {
            // Java drops a backslash at the very end of the file.
            None => {}
            Some('t') => units.push(u16::from(b'\t')),
            Some('n') => units.push(u16::from(b'\n')),
            Some('r') => units.push(u16::from(b'\r')),
            Some('f') => units.push(0x0c),
            Some('u') => {
                let digits =
                    characters.as_str().get(..4).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
                let digits = digits.ok_or("\\u must be followed by four hexadecimal digits")?;
                units.push(u16::from_str_radix(digits, 16).map_err(|_| "malformed \\u")?);
                characters.nth(3);
            }
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut [0; 2])),
        }
    }
    // Java's escapes are UTF-16: a character beyond the basic plane is two of them.
    String::from_utf16(&units).map_err(|_| "\\u escapes form no character")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        parse(text).unwrap().into_iter().map(|found| (found.key, found.value, found.line)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let (key, value, _) = pairs(text).remove(0);
        (key, value)
    }

    #[test]
    fn separators_and_blanks_are_java_s() {
        let expected = ("key".to_owned(), "value".to_owned());
        for text in ["key=value", "key = value", "key:value", "key value", "  key\t=\tvalue", "key : value"] {
            assert_eq!(one(text), expected, "{text:?}");
        }
        assert_eq!(one("key=value  ").1, "value  ");
        assert_eq!(one("key").1, "");
        assert_eq!(one("key=").1, "");
        assert_eq!(one("key==x").1, "=x");
        assert_eq!(one("a.b=PLAINTEXT://:9092").1, "PLAINTEXT://:9092");
    }

    #[test]
    fn comments_continuations_and_lines_are_counted() {
        let text = "# one\n\n! two\na=1,\\\n    2,\\\n    3\r\nb=2\n   # three\n";
        assert_eq!(pairs(text), vec![("a".into(), "1,2,3".into(), 4), ("b".into(), "2".into(), 7)]);
        assert_eq!(one("a=1\\\\\nb=2").1, "1\\", "an escaped backslash does not continue");
        assert_eq!(one("a=1\\").1, "1");
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(one(r"k\=ey\:\ x=v\t\n\q\u0041"), ("k=ey: x".into(), "v\t\nqA".into()));
        assert_eq!(one(r"k=\uD83D\uDE00").1, "😀");
        assert_eq!(parse("a=1\nb=\\u00g0").unwrap_err().line, 2);
        assert!(parse(r"k=\uD83D").is_err());
        assert!(parse("=x").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[ =:#!\\\\u0-9a-f\n\té]{0,60}") {
            let _ = parse(&text);
        }
    }
}
