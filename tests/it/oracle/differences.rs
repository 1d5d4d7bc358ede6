//! What corelog answers otherwise than Kafka 4.3, each with the reason. The comparison allows nothing else.

/// A difference that is meant. All four patterns must match; `*` stands for any text.
#[derive(Debug)]
pub(super) struct Difference {
    /// The question of the script, with its version.
    question: &'static str,
    /// The path of the field.
    path: &'static str,
    /// Kafka's value; `(absent)` if its answer has no such field.
    kafka: &'static str,
    /// Ours.
    corelog: &'static str,
    /// Why it is so.
    #[expect(dead_code, reason = "for the reader, and for the message when the difference is gone")]
    reason: &'static str,
}

impl Difference {
    pub(super) fn covers(&self, question: &str, path: &str, kafka: &str, corelog: &str) -> bool {
        matches(self.question, question) && matches(self.path, path) && matches(self.kafka, kafka) && matches(self.corelog, corelog)
    }
}

/// True if `text` is what `pattern` says, where `*` is any text and all else is itself.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, mut pattern)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    while let Some((part, more)) = pattern.split_once('*') {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        pattern = more;
    }
    rest.ends_with(pattern)
}

/// The list.
pub(super) const INTENDED: &[Difference] = &[];

#[test]
fn patterns_match_as_they_read() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("*", "", true),
        ("a*c", "abc", true),
        ("a*c", "abd", false),
        ("*[x].*.y", "t[x].a.b.y", true),
        ("*[x].*.y", "t[x].y", false),
        ("ab*ba", "aba", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}
