//! Typed values of configs: parsing as ConfigDef.parseType does, and printing as ConfigDef.convertToString does.

use super::{Kind, Valid};

/// A parsed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// Any of Kafka's three integer types; in its range.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Text; also class names and passwords.
    Text(String),
    /// Comma-separated entries.
    List(Vec<String>),
}

impl Value {
    /// Parses `text` as `kind` and checks it against `valid`.
    ///
    /// # Errors
    /// What is wrong, in Kafka's words where it has some.
    pub fn parse(kind: Kind, valid: Valid, text: &str) -> Result<Self, String> {
        let text = text.trim();
        let value = match kind {
            Kind::Bool if text.eq_ignore_ascii_case("true") => Self::Bool(true),
            Kind::Bool if text.eq_ignore_ascii_case("false") => Self::Bool(false),
            Kind::Bool => return Err("Expected value to be either true or false".to_owned()),
            Kind::Short => Self::Int(i64::from(text.parse::<i16>().map_err(|_| not_a_number("SHORT"))?)),
            Kind::Int => Self::Int(i64::from(text.parse::<i32>().map_err(|_| not_a_number("INT"))?)),
            Kind::Long => Self::Int(text.parse::<i64>().map_err(|_| not_a_number("LONG"))?),
            Kind::Double => Self::Double(text.parse::<f64>().map_err(|_| not_a_number("DOUBLE"))?),
            Kind::List if text.is_empty() => Self::List(Vec::new()),
            Kind::List => Self::List(entries(text, matches!(valid, Valid::Subset(_)))),
            Kind::Text | Kind::Class | Kind::Password => Self::Text(text.to_owned()),
        };
        valid.check(&value)?;
        Ok(value)
    }

    /// The number, or 0: for keys whose table row says that they are numbers.
    pub(super) fn int(&self) -> i64 {
        if let Self::Int(number) = self { *number } else { 0 }
    }

    /// The number, or 0: for keys whose table row says that they are floating-point numbers.
    pub(super) fn double(&self) -> f64 {
        if let Self::Double(number) = self { *number } else { 0.0 }
    }

    /// The flag, or false: for keys whose table row says that they are flags.
    pub(super) fn bool(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// The text, or "": for keys whose table row says that they are text.
    pub(super) fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// The entries, or none: for keys whose table row says that they are lists.
    pub(super) fn list(&self) -> &[String] {
        if let Self::List(entries) = self { entries } else { &[] }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(flag) => flag.fmt(f),
            Self::Int(number) => number.fmt(f),
            // Java's form: always a decimal point, and E for the exponent.
            Self::Double(number) => f.write_str(&format!("{number:?}").replace('e', "E")),
            Self::Text(text) => f.write_str(text),
            Self::List(entries) => f.write_str(&entries.join(",")),
        }
    }
}

/// The entries of a list; where it stands for a set, each once, as Kafka takes it.
fn entries(text: &str, is_set: bool) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for entry in text.split(',').map(str::trim) {
        if !is_set || !found.iter().any(|known| known == entry) {
            found.push(entry.to_owned());
        }
    }
    found
}

fn not_a_number(kind: &str) -> String {
    format!("Not a number of type {kind}")
}
