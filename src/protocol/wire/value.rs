//! Every type that a field of a table may have.

use bytes::Bytes;

use super::{Context, Reader, WireError, Writer};
use crate::{
    protocol::schema::Kind,
    types::{Text, Uuid},
};

/// A value with an encoding. Structures get it from [`crate::protocol::message!`]; `Option` is what can be null.
pub trait Wire: Sized {
    /// The shortest encoding in bytes in any version; bounds what an announced count can mean.
    const MIN_BYTES: usize;
    /// The type as data, for schemas.
    const KIND: Kind;

    /// Reads the value.
    ///
    /// # Errors
    /// The bytes do not say one.
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError>;

    /// Appends the value.
    ///
    /// # Errors
    /// The version cannot express it. What was written until then stays in the writer.
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError>;

    /// Reads the value where it is the content of a tagged field: the same, but for structures that may be null.
    ///
    /// # Errors
    /// The bytes do not say one.
    #[inline]
    fn read_tagged(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
        Self::read(reader, context)
    }

    /// Appends the value as the content of a tagged field.
    ///
    /// # Errors
    /// As [`Wire::write`].
    #[inline]
    fn write_tagged(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        self.write(writer, context)
    }

    /// True for an absent value.
    #[inline]
    fn is_null(&self) -> bool {
        false
    }
}

macro_rules! numbers {
    ($($type:ty: $kind:ident),* $(,)?) => {$(
        impl Wire for $type {
            const MIN_BYTES: usize = size_of::<$type>();
            const KIND: Kind = Kind::$kind;

            #[inline]
            fn read(reader: &mut Reader, _: Context) -> Result<Self, WireError> {
                reader.array().map(<$type>::from_be_bytes)
            }

            #[inline]
            fn write(&self, writer: &mut Writer, _: Context) -> Result<(), WireError> {
                writer.raw(&self.to_be_bytes());
                Ok(())
            }
        }
    )*};
}

numbers! { i8: Int8, i16: Int16, u16: Uint16, i32: Int32, u32: Uint32, i64: Int64, f64: Float64 }

impl Wire for bool {
    const MIN_BYTES: usize = 1;
    const KIND: Kind = Kind::Bool;

    #[inline]
    fn read(reader: &mut Reader, _: Context) -> Result<Self, WireError> {
        // Any other number than 0 is true for Kafka too.
        reader.u8().map(|byte| byte != 0)
    }

    #[inline]
    fn write(&self, writer: &mut Writer, _: Context) -> Result<(), WireError> {
        writer.raw(&[u8::from(*self)]);
        Ok(())
    }
}

impl Wire for Uuid {
    const MIN_BYTES: usize = 16;
    const KIND: Kind = Kind::Uuid;

    #[inline]
    fn read(reader: &mut Reader, _: Context) -> Result<Self, WireError> {
        reader.uuid()
    }

    #[inline]
    fn write(&self, writer: &mut Writer, _: Context) -> Result<(), WireError> {
        writer.raw(&self.0);
        Ok(())
    }
}

impl Wire for Option<Text> {
    const MIN_BYTES: usize = 1;
    const KIND: Kind = Kind::Nullable(&Kind::String);

    #[inline]
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
        let len = if context.flexible { reader.compact_len()? } else { reader.len16()? };
        len.map(|len| reader.text(len)).transpose()
    }

    #[inline]
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        write_text(self.as_ref(), writer, context)
    }

    #[inline]
    fn is_null(&self) -> bool {
        self.is_none()
    }
}

impl Wire for Text {
    const MIN_BYTES: usize = 1;
    const KIND: Kind = Kind::String;

    #[inline]
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
        Option::<Text>::read(reader, context)?.ok_or(WireError::NullNotAllowed("of a string"))
    }

    #[inline]
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        write_text(Some(self), writer, context)
    }
}

#[inline]
fn write_text(text: Option<&Text>, writer: &mut Writer, context: Context) -> Result<(), WireError> {
    let bytes = text.map(Text::as_bytes);
    writer.string_len(bytes.map(<[u8]>::len), context.flexible)?;
    writer.raw(bytes.unwrap_or_default());
    Ok(())
}

impl Wire for Option<Bytes> {
    const MIN_BYTES: usize = 1;
    const KIND: Kind = Kind::Nullable(&Kind::Bytes);

    #[inline]
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
        read_len(reader, context)?.map(|len| reader.bytes(len)).transpose()
    }

    #[inline]
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        writer.len(self.as_ref().map(Bytes::len), context.flexible)?;
        writer.raw(self.as_deref().unwrap_or_default());
        Ok(())
    }

    #[inline]
    fn is_null(&self) -> bool {
        self.is_none()
    }
}

impl Wire for Bytes {
    const MIN_BYTES: usize = 1;
    const KIND: Kind = Kind::Bytes;

    #[inline]
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
        Option::<Bytes>::read(reader, context)?.ok_or(WireError::NullNotAllowed("of bytes"))
    }

    #[inline]
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        writer.len(Some(self.len()), context.flexible)?;
        writer.raw(self);
        Ok(())
    }
}

/// Record batches, back to back, in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Records {
    /// No records: a length of 0, which is not null.
    #[default]
    Empty,
    /// Records in memory; what decoding gives, as a slice of the frame. Never empty when decoded.
    Bytes(Bytes),
    /// So many bytes of records that the sender adds at the [`super::Cut`] that encoding leaves.
    Spliced(usize),
}

impl Records {
    /// Length in bytes on the wire.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Records::Empty => 0,
            Records::Bytes(bytes) => bytes.len(),
            Records::Spliced(bytes) => *bytes,
        }
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Wire for Option<Records> {
    const MIN_BYTES: usize = 1;
    const KIND: Kind = Kind::Nullable(&Kind::Records);

    #[inline]
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
        Ok(match read_len(reader, context)? {
            None => None,
            Some(0) => Some(Records::Empty),
            Some(len) => Some(Records::Bytes(reader.bytes(len)?)),
        })
    }

    #[inline]
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        match self {
            None => writer.len(None, context.flexible),
            Some(records) => records.write(writer, context),
        }
    }

    #[inline]
    fn is_null(&self) -> bool {
        self.is_none()
    }
}

impl Wire for Records {
    const MIN_BYTES: usize = 1;
    const KIND: Kind = Kind::Records;

    #[inline]
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
        Option::<Records>::read(reader, context)?.ok_or(WireError::NullNotAllowed("of records"))
    }

    #[inline]
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        writer.len(Some(self.len()), context.flexible)?;
        match self {
            Records::Empty => {}
            Records::Bytes(bytes) => writer.raw(bytes),
            Records::Spliced(bytes) => writer.cut(*bytes),
        }
        Ok(())
    }
}

impl<T: Wire> Wire for Option<Vec<T>> {
    const MIN_BYTES: usize = 1;
    const KIND: Kind = Kind::Nullable(&Kind::Array(&T::KIND));

    #[inline]
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
        let Some(count) = read_len(reader, context)? else { return Ok(None) };
        let mut elements = reader.reserve(count, T::MIN_BYTES)?;
        for _ in 0..count {
            elements.push(T::read(reader, context)?);
        }
        Ok(Some(elements))
    }

    #[inline]
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        match self {
            None => writer.len(None, context.flexible),
            Some(elements) => elements.write(writer, context),
        }
    }

    #[inline]
    fn is_null(&self) -> bool {
        self.is_none()
    }
}

impl<T: Wire> Wire for Vec<T> {
    const MIN_BYTES: usize = 1;
    const KIND: Kind = Kind::Array(&T::KIND);

    #[inline]
    fn read(reader: &mut Reader, context: Context) -> Result<Self, WireError> {
        Option::<Vec<T>>::read(reader, context)?.ok_or(WireError::NullNotAllowed("of an array"))
    }

    #[inline]
    fn write(&self, writer: &mut Writer, context: Context) -> Result<(), WireError> {
        writer.len(Some(self.len()), context.flexible)?;
        self.iter().try_for_each(|element| element.write(writer, context))
    }
}

#[inline]
fn read_len(reader: &mut Reader, context: Context) -> Result<Option<usize>, WireError> {
    if context.flexible { reader.compact_len() } else { reader.len32() }
}
