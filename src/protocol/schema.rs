//! The tables as data: what [`crate::protocol::message!`] knows of a structure, for documentation, fuzzing and tests.

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of Kafka's protocol guide")]
pub enum Kind {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    Array(&'static Kind),
    Struct(&'static Schema),
    /// What may be null, as far as [`Field::nullable_since`] allows.
    Nullable(&'static Kind),
}

/// A structure: its fields in the order of the wire.
#[derive(Debug, PartialEq)]
pub struct Schema {
    /// Name in Rust and in Kafka's message definitions.
    pub name: &'static str,
    /// The fields; the untagged ones stand on the wire in this order, the tagged ones ascend by tag.
    pub fields: &'static [Field],
}

/// One field of a structure.
#[derive(Debug, PartialEq)]
pub struct Field {
    /// Name of the Rust field: Kafka's name in snake case.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// First version that has the field; 0 if all have.
    pub since: i16,
    /// Last version that has the field.
    pub until: i16,
    /// First version in which null is allowed, for a [`Kind::Nullable`].
    pub nullable_since: i16,
    /// Tag, if it is a tagged field.
    pub tag: Option<u32>,
    /// True if a value may be dropped when the version does not have the field.
    pub ignorable: bool,
}

impl Field {
    /// True if `version` has the field.
    #[must_use]
    pub const fn exists_in(&self, version: i16) -> bool {
        self.since <= version && version <= self.until
    }
}

impl Kind {
    /// The shortest encoding in bytes in any version.
    #[must_use]
    pub const fn min_bytes(&self) -> usize {
        match self {
            Kind::Int16 | Kind::Uint16 => 2,
            Kind::Int32 | Kind::Uint32 => 4,
            Kind::Int64 | Kind::Float64 => 8,
            Kind::Uuid => 16,
            // Lengths are one byte when compact.
            Kind::Bool | Kind::Int8 | Kind::String | Kind::Bytes | Kind::Records | Kind::Array(_) | Kind::Nullable(_) => 1,
            Kind::Struct(schema) => schema.min_bytes(),
        }
    }
}

impl Schema {
    /// The shortest encoding in bytes in any version: the fields that every version has.
    #[must_use]
    pub const fn min_bytes(&self) -> usize {
        let mut bytes = 0;
        let mut at = 0;
        while at < self.fields.len() {
            let field = &self.fields[at];
            if field.since == 0 && field.until == i16::MAX && field.tag.is_none() {
                bytes += field.kind.min_bytes();
            }
            at += 1;
        }
        bytes
    }
}
