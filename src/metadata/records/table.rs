//! The declarative table that metadata records are described in, and the flexible encoding behind it.
//!
//! Pure. All metadata records are flexible in all their versions: compact lengths, and tagged fields at the end of each
//! structure. Unknown tagged fields are skipped, as Kafka's own decoder may.

use bytes::{Buf, Bytes};

use super::FrameError;
use crate::{
    record::varint,
    types::{Text, Uuid},
};

/// Bytes still to be decoded; texts and bytes are cut out of them without a copy.
pub(super) struct Input {
    pub(super) bytes: Bytes,
}

impl Input {
    /// Takes `count` bytes from the front.
    pub(super) fn take(&mut self, count: usize) -> Result<Bytes, FrameError> {
        if count > self.bytes.len() {
            return Err(FrameError::Short);
        }
        Ok(self.bytes.split_to(count))
    }

    pub(super) fn unsigned(&mut self) -> Result<u32, FrameError> {
        let mut rest: &[u8] = &self.bytes;
        let value = varint::take_unsigned(&mut rest).ok_or(FrameError::Number)?;
        let used = self.bytes.len() - rest.len();
        self.bytes.advance(used);
        Ok(value)
    }

    /// A compact length: absent is 0, otherwise one more than the length.
    fn length(&mut self) -> Result<Option<usize>, FrameError> {
        Ok((self.unsigned()? as usize).checked_sub(1))
    }

    pub(super) fn finish(self) -> Result<(), FrameError> {
        match self.bytes.len() {
            0 => Ok(()),
            rest => Err(FrameError::Trailing(rest)),
        }
    }
}

/// A type that a field can have.
pub(super) trait Field: Sized {
    /// Fewest bytes that a value takes; bounds how many values can be announced.
    const BYTES_MIN: usize;

    fn read(input: &mut Input, version: i16) -> Result<Self, FrameError>;
    fn write(&self, out: &mut Vec<u8>, version: i16);
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Field for $number {
            const BYTES_MIN: usize = size_of::<$number>();

            fn read(input: &mut Input, _version: i16) -> Result<Self, FrameError> {
                let bytes = input.take(size_of::<$number>())?;
                let bytes = <[u8; size_of::<$number>()]>::try_from(&bytes[..]).map_err(|_| FrameError::Short)?;
                Ok(<$number>::from_be_bytes(bytes))
            }

            fn write(&self, out: &mut Vec<u8>, _version: i16) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}
numbers!(i8, i16, u16, i32, i64, f64);

impl Field for bool {
    const BYTES_MIN: usize = 1;

    fn read(input: &mut Input, version: i16) -> Result<Self, FrameError> {
        i8::read(input, version).map(|byte| byte != 0)
    }

    fn write(&self, out: &mut Vec<u8>, _version: i16) {
        out.push(u8::from(*self));
    }
}

impl Field for Uuid {
    const BYTES_MIN: usize = 16;

    fn read(input: &mut Input, _version: i16) -> Result<Self, FrameError> {
        let bytes = input.take(16)?;
        <[u8; 16]>::try_from(&bytes[..]).map(Uuid).map_err(|_| FrameError::Short)
    }

    fn write(&self, out: &mut Vec<u8>, _version: i16) {
        out.extend_from_slice(&self.0);
    }
}

impl Field for Option<Bytes> {
    const BYTES_MIN: usize = 1;

    fn read(input: &mut Input, _version: i16) -> Result<Self, FrameError> {
        let Some(length) = input.length()? else { return Ok(None) };
        input.take(length).map(Some)
    }

    fn write(&self, out: &mut Vec<u8>, version: i16) {
        match self {
            Some(bytes) => bytes.write(out, version),
            None => out.push(0),
        }
    }
}

impl Field for Bytes {
    const BYTES_MIN: usize = 1;

    fn read(input: &mut Input, version: i16) -> Result<Self, FrameError> {
        Option::<Bytes>::read(input, version)?.ok_or(FrameError::Null)
    }

    fn write(&self, out: &mut Vec<u8>, _version: i16) {
        write_length(self.len(), out);
        out.extend_from_slice(self);
    }
}

impl Field for Option<Text> {
    const BYTES_MIN: usize = 1;

    fn read(input: &mut Input, version: i16) -> Result<Self, FrameError> {
        let Some(bytes) = Option::<Bytes>::read(input, version)? else { return Ok(None) };
        Text::from_utf8(bytes).map(Some).map_err(|_| FrameError::Text)
    }

    fn write(&self, out: &mut Vec<u8>, version: i16) {
        match self {
            Some(text) => text.write(out, version),
            None => out.push(0),
        }
    }
}

impl Field for Text {
    const BYTES_MIN: usize = 1;

    fn read(input: &mut Input, version: i16) -> Result<Self, FrameError> {
        Option::<Text>::read(input, version)?.ok_or(FrameError::Null)
    }

    fn write(&self, out: &mut Vec<u8>, _version: i16) {
        write_length(self.as_bytes().len(), out);
        out.extend_from_slice(self.as_bytes());
    }
}

impl<T: Field> Field for Option<Vec<T>> {
    const BYTES_MIN: usize = 1;

    fn read(input: &mut Input, version: i16) -> Result<Self, FrameError> {
        let Some(count) = input.length()? else { return Ok(None) };
        if count > input.bytes.len() / T::BYTES_MIN.max(1) {
            return Err(FrameError::Short);
        }
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(T::read(input, version)?);
        }
        Ok(Some(values))
    }

    fn write(&self, out: &mut Vec<u8>, version: i16) {
        match self {
            Some(values) => values.write(out, version),
            None => out.push(0),
        }
    }
}

impl<T: Field> Field for Vec<T> {
    const BYTES_MIN: usize = 1;

    fn read(input: &mut Input, version: i16) -> Result<Self, FrameError> {
        Option::<Vec<T>>::read(input, version)?.ok_or(FrameError::Null)
    }

    fn write(&self, out: &mut Vec<u8>, version: i16) {
        write_length(self.len(), out);
        for value in self {
            value.write(out, version);
        }
    }
}

/// Writes a compact length. Lengths over 4 GiB cannot come up: a batch is far smaller.
fn write_length(length: usize, out: &mut Vec<u8>) {
    let length = u32::try_from(length + 1).unwrap_or(u32::MAX);
    varint::put_unsigned(out, length);
}

/// Reads the tagged fields at the end of a structure: `known` takes a tag it knows and answers true.
pub(super) fn read_tagged(
    input: &mut Input,
    mut known: impl FnMut(u32, &mut Input) -> Result<bool, FrameError>,
) -> Result<(), FrameError> {
    for _ in 0..input.unsigned()? {
        let tag = input.unsigned()?;
        let size = input.unsigned()? as usize;
        let mut field = Input { bytes: input.take(size)? };
        if known(tag, &mut field)? {
            field.finish()?;
        }
    }
    Ok(())
}

/// Describes structures. Per field: name, type, default, first version that has it, and the tag of a tagged field; tagged
/// fields stand in the order of their tags. Makes the structure, its default, and how it is read and written.
macro_rules! table {
    ($(
        $(#[$doc:meta])*
        $name:ident {
            $( $(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr, since $since:literal $(, tag $tag:literal)? ; )*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::metadata::records::table::Field for $name {
            const BYTES_MIN: usize = 1;

            fn read(
                input: &mut $crate::metadata::records::table::Input,
                version: i16,
            ) -> Result<Self, $crate::metadata::records::FrameError> {
                let mut value = Self::default();
                // Structures without fields of a kind make no use of what these are for.
                let _ = (&mut value, version);
                $( $crate::metadata::records::table::table!(@read value, input, version, $field, $type, $since $(, $tag)?); )*
                $crate::metadata::records::table::read_tagged(input, |tag, field| {
                    let _ = (tag, &mut *field);
                    $( $crate::metadata::records::table::table!(@read_tag tag, field, value, version, $field, $type, $since $(, $tag)?); )*
                    Ok(false)
                })?;
                Ok(value)
            }

            fn write(&self, out: &mut Vec<u8>, version: i16) {
                let _ = version;
                $( $crate::metadata::records::table::table!(@write self, out, version, $field, $since $(, $tag)?); )*
                let mut tagged: Vec<(u32, Vec<u8>)> = Vec::new();
                let _ = &mut tagged;
                $( $crate::metadata::records::table::table!(@write_tag self, tagged, version, $field, $default, $since $(, $tag)?); )*
                $crate::metadata::records::table::write_tagged(tagged, out);
            }
        }
    )*};
    (@read $value:ident, $input:ident, $version:ident, $field:ident, $type:ty, $since:literal) => {
        if $version >= $since {
            $value.$field = <$type as $crate::metadata::records::table::Field>::read($input, $version)?;
        }
    };
    (@read $value:ident, $input:ident, $version:ident, $field:ident, $type:ty, $since:literal, $tag:literal) => {};
    (@read_tag $seen:ident, $input:ident, $value:ident, $version:ident, $field:ident, $type:ty, $since:literal) => {};
    (@read_tag $seen:ident, $input:ident, $value:ident, $version:ident, $field:ident, $type:ty, $since:literal, $tag:literal) => {
        if $seen == $tag && $version >= $since {
            $value.$field = <$type as $crate::metadata::records::table::Field>::read($input, $version)?;
            return Ok(true);
        }
    };
    (@write $value:ident, $out:ident, $version:ident, $field:ident, $since:literal) => {
        if $version >= $since {
            $crate::metadata::records::table::Field::write(&$value.$field, $out, $version);
        }
    };
    (@write $value:ident, $out:ident, $version:ident, $field:ident, $since:literal, $tag:literal) => {};
    (@write_tag $value:ident, $tagged:ident, $version:ident, $field:ident, $default:expr, $since:literal) => {};
    (@write_tag $value:ident, $tagged:ident, $version:ident, $field:ident, $default:expr, $since:literal, $tag:literal) => {
        if $version >= $since && $value.$field != $default {
            let mut bytes = Vec::new();
            $crate::metadata::records::table::Field::write(&$value.$field, &mut bytes, $version);
            $tagged.push(($tag, bytes));
        }
    };
}
pub(super) use table;

/// Writes tagged fields, which are in the order of their tags.
pub(super) fn write_tagged(fields: Vec<(u32, Vec<u8>)>, out: &mut Vec<u8>) {
    debug_assert!(fields.is_sorted_by_key(|(tag, _)| *tag), "tables list tagged fields in the order of their tags");
    varint::put_unsigned(out, fields.len() as u32);
    for (tag, bytes) in fields {
        varint::put_unsigned(out, tag);
        varint::put_unsigned(out, bytes.len() as u32);
        out.extend_from_slice(&bytes);
    }
}
