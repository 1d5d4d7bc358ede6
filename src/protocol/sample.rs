//! Well-formed messages out of arbitrary bytes: the tables read backwards, for fuzzing and property tests.
//!
//! The bytes decide every value, count and null, so that a fuzzer which changes a byte changes the message. Never used to
//! serve anybody.

use bytes::BytesMut;

use super::{
    schema::{Field, Kind, Schema},
    wire::{Context, WireError, Writer},
};

/// Decisions taken from bytes; all zero once they are used up, which ends every array.
#[derive(Clone, Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// Decisions that `bytes` make.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    /// Small numbers and those at the ends of the range are likely.
    fn number<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        match self.below(4) {
            0 => bytes[N - 1] = self.byte(),
            1 => bytes = [0xff; N],
            2 => {
                bytes = [0xff; N];
                bytes[0] = 0x7f;
            }
            _ => bytes.iter_mut().for_each(|byte| *byte = self.byte()),
        }
        bytes
    }
}

/// Whether tagged fields occur in a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tags {
    /// None: the sample is then what encoding gives.
    Without,
    /// Some, also with their default value (which an encoder leaves out) and of unknown number.
    With,
}

/// A message of `schema`.
///
/// # Errors
/// None for tables of versions that exist.
pub fn sample(schema: &Schema, context: Context, choices: &mut Choices<'_>, tags: Tags) -> Result<BytesMut, WireError> {
    let mut writer = Writer::new(BytesMut::new());
    structure(schema, context, choices, tags, &mut writer)?;
    Ok(writer.finish().0)
}

fn structure(
    schema: &Schema,
    context: Context,
    choices: &mut Choices<'_>,
    tags: Tags,
    writer: &mut Writer,
) -> Result<(), WireError> {
    let fields = || schema.fields.iter().filter(|field| field.exists_in(context.version));
    for field in fields().filter(|field| field.tag.is_none()) {
        value(&field.kind, field, context, choices, tags, writer)?;
    }
    if !context.flexible {
        return Ok(());
    }
    let tagged = match tags {
        Tags::Without => Vec::new(),
        Tags::With => {
            fields().filter_map(|field| field.tag.map(|tag| (tag, field))).filter(|_| choices.below(2) == 1).collect()
        }
    };
    let unknown = tags == Tags::With && choices.below(8) == 1;
    writer.unsigned_varint(tagged.len() as u32 + u32::from(unknown));
    for (tag, field) in tagged {
        writer.tagged_field(tag, |writer| value(&field.kind, field, context, choices, tags, writer))?;
    }
    if unknown {
        writer.tagged_field(10_000, |writer| {
            writer.raw(&choices.number::<4>());
            Ok(())
        })?;
    }
    Ok(())
}

fn value(
    kind: &Kind,
    field: &Field,
    context: Context,
    choices: &mut Choices<'_>,
    tags: Tags,
    writer: &mut Writer,
) -> Result<(), WireError> {
    match kind {
        Kind::Bool => writer.raw(&[choices.below(2)]),
        Kind::Int8 => writer.raw(&choices.number::<1>()),
        Kind::Int16 | Kind::Uint16 => writer.raw(&choices.number::<2>()),
        Kind::Int32 | Kind::Uint32 => writer.raw(&choices.number::<4>()),
        Kind::Int64 => writer.raw(&choices.number::<8>()),
        // No NaN, which is not equal to itself.
        Kind::Float64 => writer.raw(&f64::from(i32::from_be_bytes(choices.number())).to_be_bytes()),
        Kind::Uuid => writer.raw(&choices.number::<16>()),
        Kind::String => {
            let text = "zażółć gęślą jaźń";
            let (len, _) = text.char_indices().nth(choices.below(16).into()).unwrap_or_default();
            writer.string_len(Some(len), context.flexible)?;
            writer.raw(&text.as_bytes()[..len]);
        }
        Kind::Bytes | Kind::Records => {
            let len = usize::from(choices.byte());
            writer.len(Some(len), context.flexible)?;
            (0..len).for_each(|_| writer.raw(&[choices.byte()]));
        }
        Kind::Array(element) => {
            let count = choices.below(4);
            writer.len(Some(count.into()), context.flexible)?;
            for _ in 0..count {
                value(element, field, context, choices, tags, writer)?;
            }
        }
        Kind::Struct(schema) => structure(schema, context, choices, tags, writer)?,
        Kind::Nullable(inner) => {
            let null = context.version >= field.nullable_since && choices.below(4) == 1;
            match (*inner, null) {
                (Kind::Struct(_), _) if field.tag.is_some() => writer.tagged_struct_marker(!null),
                (Kind::Struct(_), _) => writer.struct_marker(!null),
                (Kind::String, true) => writer.string_len(None, context.flexible)?,
                (_, true) => writer.len(None, context.flexible)?,
                (_, false) => {}
            }
            if !null {
                value(inner, field, context, choices, tags, writer)?;
            }
        }
    }
    Ok(())
}
