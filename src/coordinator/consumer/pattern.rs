//! Regular expressions of subscriptions, with the syntax of RE2.
//!
//! Pure. The engine is linear in the length of what is searched and knows no back references, as RE2. It reads almost the same
//! syntax; what it would read otherwise is rewritten first: quotations (`\Q…\E`), and brackets, `&&` and `~~` inside a class,
//! which RE2 takes as they stand. Names of topics are ASCII, so classes like `\d` mean the same in both.

use regex::{Regex, RegexBuilder};

/// Bytes that a compiled expression may take; RE2 has such a limit too.
const COMPILED_BYTES_MAX: usize = 256 * 1024;
/// Longest expression in bytes.
const PATTERN_BYTES_MAX: usize = 4096;
/// Deepest nesting.
const DEPTH_MAX: u32 = 100;

/// A compiled expression that must match a whole name.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// Why it is no regular expression, in a few words.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("expression too large ({} bytes, at most {PATTERN_BYTES_MAX})", text.len()));
        }
        let rewritten = rewrite(text);
        if repeats_a_repetition(&rewritten) {
            return Err("invalid nested repetition operator".to_owned());
        }
        // By itself first: what only makes sense between the brackets below is none.
        compile(&rewritten)?;
        compile(&format!(r"\A(?:{rewritten})\z")).map(Self)
    }

    /// True if the whole of `name` matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

fn compile(text: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).nest_limit(DEPTH_MAX);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "expression too large".to_owned(),
        // The last line says what is wrong, those before show where.
        error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}

/// True if a repetition is itself repeated, as in `a**` or `a+{2}`: RE2 refuses that, the engine here does not.
fn repeats_a_repetition(text: &str) -> bool {
    let mut rest = text;
    let (mut in_class, mut repeated) = (false, false);
    while let Some(character) = rest.chars().next() {
        let length = if in_class { 0 } else { repetition(rest) };
        if length > 0 {
            if repeated {
                return true;
            }
            repeated = true;
            rest = &rest[length..];
            // Not a repetition of its own: it makes the one before it lazy.
            rest = rest.strip_prefix('?').unwrap_or(rest);
            continue;
        }
        repeated = false;
        // Two characters that belong together: an escape, or the beginning of a group with flags or a name.
        let pair = character == '\\' || (!in_class && rest.starts_with("(?"));
        match character {
            '[' if in_class && rest.starts_with("[:") => {
                let end = rest.find(":]").map_or(rest.len(), |end| end + 2);
                rest = &rest[end..];
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        let taken = rest.char_indices().nth(if pair { 2 } else { 1 }).map_or(rest.len(), |(at, _)| at);
        rest = &rest[taken..];
    }
    false
}

/// How many bytes the repetition takes that `text` begins with; 0 if it begins with none.
fn repetition(text: &str) -> usize {
    if text.starts_with(['*', '+', '?']) {
        return 1;
    }
    let Some((counts, _)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) else { return 0 };
    let (least, most) = counts.split_once(',').unwrap_or((counts, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !least.is_empty() && is_number(least) && is_number(most) { counts.len() + 2 } else { 0 }
}

fn rewrite(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    // Characters of the class so far, if in one.
    let mut class: Option<usize> = None;
    while let Some(character) = rest.next() {
        if character == '\\' {
            match rest.next() {
                Some('Q') if class.is_none() => quote(&mut rest, &mut out),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            }
            class = class.map(|length| length + 1);
            continue;
        }
        class = match (class, character) {
            (None, '[') => {
                out.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // A bracket that closes at once is part of the class.
                if rest.next_if_eq(&']').is_some() {
                    out.push_str(r"\]");
                    Some(1)
                } else {
                    Some(0)
                }
            }
            (None, _) => {
                out.push(character);
                None
            }
            (Some(_), ']') => {
                out.push(']');
                None
            }
            (Some(length), '[') if rest.peek() == Some(&':') => {
                out.push('[');
                // `[:name:]`, up to its own bracket.
                for inner in rest.by_ref() {
                    out.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
                Some(length + 1)
            }
            (Some(length), '[' | '&' | '~') => {
                out.extend(['\\', character]);
                Some(length + 1)
            }
            (Some(length), _) => {
                out.push(character);
                Some(length + 1)
            }
        };
    }
    out
}

/// Everything up to `\E`, or to the end, means itself.
fn quote(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    while let Some(character) = rest.next() {
        if character == '\\' && rest.next_if_eq(&'E').is_some() {
            return;
        }
        out.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, repeats_a_repetition, rewrite};

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(name)
    }

    #[test]
    fn a_whole_name_must_match() {
        assert!(matches("orders.*", "orders-1"));
        assert!(!matches("orders", "orders-1"));
        assert!(matches("a|ab", "ab"), "either alternative may take all of it");
        assert!(!matches("(?m)^a$", "a\nb"));
        assert!(matches("(?i)ORDERS", "orders"));
        assert!(matches(r"\d+\.[[:alpha:]_]+", "12.ab_c"));
        assert!(matches(r"\pL{2}", "ab"));
    }

    #[test]
    fn what_the_engine_would_read_otherwise_means_what_it_means_in_re2() {
        assert!(matches(r"\Qa.b\E+", "a.bbb"));
        assert!(!matches(r"\Qa.b\E", "axb"));
        assert!(matches(r"\Q(", "("));
        assert!(matches("[a[b]+", "a[b"));
        assert!(matches("[a&&b]+", "a&b"));
        assert!(matches("[]a]+", "a]"));
        assert!(matches("[^]a]", "b"));
        assert!(matches("[~~a]+", "~a"));
        assert!(matches(r"[\]x]+", "x]"));
    }

    #[test]
    fn what_is_no_expression_or_too_large_a_one_is_refused() {
        for pattern in ["(", "a)(b", "[", r"(a)\1", "(?=a)", "*a", r"\", "(?P<n>a"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
        assert!(Pattern::new(&"a{1000}".repeat(100)).is_err());
        assert!(Pattern::new("((a{100}){100}){100}").is_err());
        assert!(Pattern::new(&"(".repeat(5000)).is_err());
        assert_eq!(Pattern::new("(a").unwrap_err(), "unclosed group");
    }

    #[test]
    fn no_text_upsets_the_rewriting() {
        proptest::proptest!(|(text in r"[\\\[\]QE&~:^a(){}-]{0,24}")| {
            let _compiled = Pattern::new(&text);
        });
    }

    #[test]
    fn a_repetition_is_not_repeated() {
        for refused in ["a**", "a*+", "a+*", "a??*", "a{2}{3}", "a{2,}*", "(ab)**", "[x]?+", "\\w*?*"] {
            assert!(Pattern::new(refused).is_err(), "{refused}");
        }
        for taken in ["a*?", "a??", "a+?", "a{2,3}?", "(?i)a*", "(?:a*)*", "[*+]*", "[[:alpha:]*+]+", "\\**", "a*b*", "a{x}*", r"\Qa**\E"] {
            assert!(!repeats_a_repetition(&rewrite(taken)), "{taken}");
        }
    }
}
