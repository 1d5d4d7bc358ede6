//! What one key is: the row of a table.

use super::Value;

/// The type of a value (ConfigDef.Type).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// Text.
    Text,
    /// 32-bit integer.
    Int,
    /// 16-bit integer.
    Short,
    /// 64-bit integer.
    Long,
    /// Floating-point number.
    Double,
    /// Comma-separated entries.
    List,
    /// Name of a JVM class.
    Class,
    /// Text that is never shown.
    Password,
}

impl Kind {
    /// `ConfigType` of a DescribeConfigs response (DescribeConfigsResponse.ConfigType).
    pub const fn id(self) -> i8 {
        match self {
            Kind::Bool => 1,
            Kind::Text => 2,
            Kind::Int => 3,
            Kind::Short => 4,
            Kind::Long => 5,
            Kind::Double => 6,
            Kind::List => 7,
            Kind::Class => 8,
            Kind::Password => 9,
        }
    }

    /// The name in documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Bool => "boolean",
            Kind::Text => "string",
            Kind::Int => "int",
            Kind::Short => "short",
            Kind::Long => "long",
            Kind::Double => "double",
            Kind::List => "list",
            Kind::Class => "class",
            Kind::Password => "password",
        }
    }
}

/// Which values of a type are valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Valid {
    /// All.
    Any,
    /// Numbers from here on.
    Min(i64),
    /// Numbers from the first to the second, both included.
    Range(i64, i64),
    /// As `Range`, or the third number.
    RangeOr(i64, i64, i64),
    /// Floating-point numbers from 0 to 1.
    Fraction,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Any of these words.
    Subset(&'static [&'static str]),
    /// `partition:broker` pairs, or `*`.
    ThrottledReplicas,
}

impl Valid {
    /// Checks a value of the right type.
    ///
    /// # Errors
    /// The rule that it breaks, in Kafka's words (ConfigDef.Range, ValidString, ValidList).
    pub fn check(self, value: &Value) -> Result<(), String> {
        let rule = match (self, value) {
            (Valid::Min(low) | Valid::Range(low, _), Value::Int(number)) if *number < low => Valid::Min(low).allowed(),
            (Valid::Range(_, high), Value::Int(number)) if *number > high => at_most(high),
            (Valid::RangeOr(low, high, other), Value::Int(number))
                if *number != other && !(low..=high).contains(number) =>
            {
                self.allowed()
            }
            (Valid::Fraction, Value::Double(number)) if *number > 1.0 => at_most(1),
            // Not a number is not in any range either.
            (Valid::Fraction, Value::Double(number)) if !(0.0..=1.0).contains(number) => Valid::Min(0).allowed(),
            (Valid::OneOf(words), Value::Text(text)) if !words.contains(&text.as_str()) => self.allowed(),
            (Valid::Subset(words), Value::List(entries))
                if !entries.iter().all(|entry| words.contains(&entry.as_str())) =>
            {
                Valid::OneOf(words).allowed()
            }
            (Valid::ThrottledReplicas, Value::List(entries))
                if entries != &["*"] && !entries.iter().all(|entry| is_throttled_replica(entry)) =>
            {
                self.allowed()
            }
            _ => return Ok(()),
        };
        Err(rule)
    }

    /// What is allowed, as a sentence.
    pub fn allowed(self) -> String {
        match self {
            Valid::Any => "any value".to_owned(),
            Valid::Min(low) => format!("Value must be at least {low}"),
            Valid::Range(low, high) => format!("Value must be at least {low} and no more than {high}"),
            Valid::RangeOr(low, high, other) => {
                format!("Value must be between {low} and {high} or equal to {other}")
            }
            Valid::Fraction => "Value must be at least 0 and no more than 1".to_owned(),
            Valid::OneOf(words) => format!("String must be one of: {}", words.join(", ")),
            Valid::Subset(words) => format!("Each entry must be one of: {}", words.join(", ")),
            Valid::ThrottledReplicas => "Must be * or a list of partitionId:brokerId".to_owned(),
        }
    }
}

fn at_most(high: i64) -> String {
    format!("Value must be no more than {high}")
}

fn is_throttled_replica(entry: &str) -> bool {
    entry.split_once(':').is_some_and(|(partition, broker)| {
        let is_id = |text: &str| text.parse::<u32>().is_ok_and(|number| number <= i32::MAX as u32);
        is_id(partition) && is_id(broker)
    })
}

/// What corelog does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The value is acted upon.
    Honoured,
    /// Any valid value is taken and has no effect; the reason says why that hurts nobody.
    NoEffect(&'static str),
    /// Only the default and the values in `also` are taken, because another one would promise what is not done.
    Refused {
        /// Values taken besides the default.
        also: &'static [&'static str],
        /// Why others are refused.
        reason: &'static str,
    },
}

/// Whether a broker key may be changed while the broker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No: only in the properties file or on the command line.
    ReadOnly,
    /// Yes, for one broker or as the default of all (IncrementalAlterConfigs).
    Dynamic,
}

/// A row of a table of keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// The name, as in `server.properties` or in a topic's configs.
    pub name: &'static str,
    /// Type of the value.
    pub kind: Kind,
    /// Default as text; `None` is Kafka's null.
    pub default: Option<&'static str>,
    /// Valid values.
    pub valid: Valid,
    /// What corelog does with it.
    pub standing: Standing,
    /// Whether it may be changed at run time; topic keys always may.
    pub change: Change,
    /// What it means, with units.
    pub doc: &'static str,
}

impl Key {
    /// A row without a restriction, honoured and read-only; the methods below say otherwise.
    pub(super) const fn new(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            default: Some(default),
            valid: Valid::Any,
            standing: Standing::Honoured,
            change: Change::ReadOnly,
            doc,
        }
    }

    pub(super) const fn bool(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Bool, default, doc)
    }

    pub(super) const fn text(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Text, default, doc)
    }

    pub(super) const fn int(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Int, default, doc)
    }

    pub(super) const fn long(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Long, default, doc)
    }

    pub(super) const fn double(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Double, default, doc)
    }

    pub(super) const fn list(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::List, default, doc)
    }

    /// Without a default.
    pub(super) const fn null(mut self) -> Self {
        self.default = None;
        self
    }

    pub(super) const fn valid(mut self, valid: Valid) -> Self {
        self.valid = valid;
        self
    }

    pub(super) const fn min(self, low: i64) -> Self {
        self.valid(Valid::Min(low))
    }

    pub(super) const fn dynamic(mut self) -> Self {
        self.change = Change::Dynamic;
        self
    }

    pub(super) const fn no_effect(mut self, reason: &'static str) -> Self {
        self.standing = Standing::NoEffect(reason);
        self
    }

    pub(super) const fn refused(self, reason: &'static str) -> Self {
        self.refused_but(&[], reason)
    }

    pub(super) const fn refused_but(mut self, also: &'static [&'static str], reason: &'static str) -> Self {
        self.standing = Standing::Refused { also, reason };
        self
    }

    /// Parses and checks a value that somebody wants to set.
    ///
    /// # Errors
    /// What is wrong with it, or why it is refused; without the key and the value.
    pub fn accept(&self, text: &str) -> Result<Value, String> {
        let value = self.parse(text)?;
        if let Standing::Refused { also, reason } = self.standing {
            let parsed_is = |other: &&str| self.parse(other).is_ok_and(|other| other == value);
            let is_default = match &self.default {
                Some(default) => parsed_is(default),
                None => text.trim().is_empty(),
            };
            if !is_default && !also.iter().any(parsed_is) {
                return Err(reason.to_owned());
            }
        }
        Ok(value)
    }

    /// Parses a value that is already set, perhaps by another broker: its standing is not looked at.
    ///
    /// # Errors
    /// What is wrong with it; without the key and the value.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        Value::parse(self.kind, self.valid, text)
    }

    /// The default, parsed.
    pub fn default_value(&self) -> Option<Value> {
        // Invariant: a test parses the default of every row.
        self.default.and_then(|text| self.parse(text).ok())
    }

    /// True if the value must not be shown.
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.kind, Kind::Password)
    }
}
