//! A position in a frame, from which values are cut.

use bytes::Bytes;

use super::WireError;
use crate::types::{Text, Uuid};

/// Memory in bytes that the arrays of one message may take once decoded. An element can take 30 times its size on the
/// wire, so that the size of the frame alone is no bound. Nothing a broker of [`crate::types::limits::PARTITIONS_MAX`]
/// partitions is asked or answers comes near it.
pub const ARRAY_MEMORY_BYTES_MAX: usize = 64 * crate::types::limits::MIB;

/// Longest string in bytes; Kafka checks it in both encodings.
pub(super) const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// Reads a frame from front to back. Strings, bytes and records are slices that share the frame's memory.
#[derive(Clone, Debug)]
pub struct Reader {
    frame: Bytes,
    at: usize,
    /// Where the message, or the tagged field being read, ends: `at <= end <= frame.len()`.
    end: usize,
    /// Memory that the arrays so far took.
    array_memory_bytes: usize,
}

impl Reader {
    /// Reads `frame` from its start.
    #[must_use]
    pub fn new(frame: Bytes) -> Self {
        let end = frame.len();
        Self { frame, at: 0, end, array_memory_bytes: 0 }
    }

    /// Bytes not read yet.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// Everything not read yet, without a copy.
    #[must_use]
    pub fn rest(&self) -> Bytes {
        self.frame.slice(self.at..self.end)
    }

    /// Checks that nothing follows.
    ///
    /// # Errors
    /// [`WireError::TrailingBytes`].
    pub fn expect_end(&self) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            bytes => Err(WireError::TrailingBytes(bytes)),
        }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let bytes = *self.unread().first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.at += N;
        Ok(bytes)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next `len` bytes as a slice of the frame.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn bytes(&mut self, len: usize) -> Result<Bytes, WireError> {
        if len > self.remaining() {
            return Err(WireError::Truncated);
        }
        let from = self.at;
        self.at += len;
        Ok(self.frame.slice(from..self.at))
    }

    /// The next `len` bytes as text that shares the frame's memory.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::NotUtf8`].
    #[inline]
    pub fn text(&mut self, len: usize) -> Result<Text, WireError> {
        if len > STRING_BYTES_MAX {
            return Err(WireError::InvalidLength(len as i64));
        }
        Text::from_utf8(self.bytes(len)?).map_err(|_| WireError::NotUtf8)
    }

    /// An id of 16 bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn uuid(&mut self) -> Result<Uuid, WireError> {
        self.array::<16>().map(Uuid)
    }

    /// An unsigned varint of at most 32 bits, the form of compact lengths and of tags.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::VarintTooLong`].
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        let first = self.u8()?;
        if first < 0x80 { Ok(u32::from(first)) } else { self.long_varint(first) }
    }

    fn long_varint(&mut self, first: u8) -> Result<u32, WireError> {
        let mut value = u32::from(first & 0x7f);
        for shift in [7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        match self.u8()? {
            byte @ 0..0x10 => Ok(value | u32::from(byte) << 28),
            _ => Err(WireError::VarintTooLong),
        }
    }

    /// A compact length or count: one more than it is, so that 0 can say null.
    ///
    /// # Errors
    /// As [`Reader::unsigned_varint`].
    #[inline]
    pub fn compact_len(&mut self) -> Result<Option<usize>, WireError> {
        Ok(self.unsigned_varint()?.checked_sub(1).map(|len| len as usize))
    }

    /// A length of 2 bytes (strings); -1 says null.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::InvalidLength`].
    #[inline]
    pub fn len16(&mut self) -> Result<Option<usize>, WireError> {
        nullable_len(i64::from(i16::from_be_bytes(self.array()?)))
    }

    /// A length of 4 bytes (bytes, records, arrays); -1 says null.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::InvalidLength`].
    #[inline]
    pub fn len32(&mut self) -> Result<Option<usize>, WireError> {
        nullable_len(i64::from(i32::from_be_bytes(self.array()?)))
    }

    /// The byte before a structure that may be null: true if the structure follows.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::InvalidMarker`].
    pub fn struct_marker(&mut self) -> Result<bool, WireError> {
        match i8::from_be_bytes(self.array()?) {
            -1 => Ok(false),
            1 => Ok(true),
            other => Err(WireError::InvalidMarker(other.into())),
        }
    }

    /// The same as a tagged field begins with it, where it is an unsigned varint and null is 0.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::VarintTooLong`], [`WireError::InvalidMarker`].
    pub fn tagged_struct_marker(&mut self) -> Result<bool, WireError> {
        match self.unsigned_varint()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(WireError::InvalidMarker(other.into())),
        }
    }

    /// Room for `count` elements that take at least `min_bytes` each in the frame, if they can be there at all.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::ArraysTooLarge`].
    pub(super) fn reserve<T>(&mut self, count: usize, min_bytes: usize) -> Result<Vec<T>, WireError> {
        if count > self.remaining() / min_bytes.max(1) {
            return Err(WireError::Truncated);
        }
        // No overflow: `count` is at most the length of the frame, and the sum is bounded by the check.
        self.array_memory_bytes = self.array_memory_bytes.saturating_add(count.saturating_mul(size_of::<T>()));
        if self.array_memory_bytes > ARRAY_MEMORY_BYTES_MAX {
            return Err(WireError::ArraysTooLarge);
        }
        Ok(Vec::with_capacity(count))
    }

    /// Reads a tag section: `field` gets every tag with the reader standing on its content, and says whether it knew it.
    /// What it does not know is skipped, which is how newer clients stay understood.
    ///
    /// # Errors
    /// [`WireError::Truncated`], [`WireError::TagSize`], and what `field` gives.
    #[inline]
    pub fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, &mut Self) -> Result<bool, WireError>,
    ) -> Result<(), WireError> {
        // Each turn reads at least two bytes, so that a lying count ends with the frame.
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()? as usize;
            if size > self.remaining() {
                return Err(WireError::Truncated);
            }
            let outer_end = self.end;
            let next = self.at + size;
            self.end = next;
            let known = field(tag, self)?;
            if known && self.at != next {
                return Err(WireError::TagSize(tag));
            }
            self.at = next;
            self.end = outer_end;
        }
        Ok(())
    }

    #[inline]
    fn unread(&self) -> &[u8] {
        &self.frame[self.at..self.end]
    }
}

#[inline]
fn nullable_len(len: i64) -> Result<Option<usize>, WireError> {
    match len {
        -1 => Ok(None),
        0.. => Ok(Some(len as usize)),
        _ => Err(WireError::InvalidLength(len)),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Reader, WireError};

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader::new(Bytes::from_static(bytes))
    }

    #[test]
    fn varints_take_32_bits_and_no_more() {
        assert_eq!(reader(&[0x00]).unsigned_varint(), Ok(0));
        assert_eq!(reader(&[0xac, 0x02]).unsigned_varint(), Ok(300));
        assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, 0x0f]).unsigned_varint(), Ok(u32::MAX));
        assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, 0x10]).unsigned_varint(), Err(WireError::VarintTooLong));
        assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).unsigned_varint(), Err(WireError::VarintTooLong));
        assert_eq!(reader(&[0x80]).unsigned_varint(), Err(WireError::Truncated));
    }

    #[test]
    fn lengths_below_minus_one_are_refused() {
        assert_eq!(reader(&[0xff, 0xff]).len16(), Ok(None));
        assert_eq!(reader(&[0xff, 0xfe]).len16(), Err(WireError::InvalidLength(-2)));
        assert_eq!(reader(&[0x80, 0, 0, 0]).len32(), Err(WireError::InvalidLength(i64::from(i32::MIN))));
        assert_eq!(reader(&[0x7f, 0xff, 0xff, 0xff]).len32(), Ok(Some(i32::MAX as usize)));
    }

    #[test]
    fn unknown_tags_are_skipped_and_known_ones_must_fill_their_size() {
        // Two tags: 5 with two bytes, 7 with one.
        let mut seen = Vec::new();
        let mut frame = reader(&[2, 5, 2, 1, 2, 7, 1, 9, 0xee]);
        let walked = frame.tagged_fields(|tag, inner| {
            seen.push((tag, inner.remaining()));
            Ok(tag == 7 && inner.u8()? == 9)
        });
        assert_eq!((walked, seen, frame.remaining()), (Ok(()), vec![(5, 2), (7, 1)], 1));
        assert_eq!(reader(&[1, 5, 2, 1, 2]).tagged_fields(|_, inner| inner.u8().map(|_| true)), Err(WireError::TagSize(5)));
        // A field cannot read past its size into what follows.
        assert_eq!(reader(&[1, 5, 1, 1, 2]).tagged_fields(|_, r| r.array::<2>().map(|_| true)), Err(WireError::Truncated));
        assert_eq!(reader(&[0xff, 0xff, 0xff, 0xff, 0x0f]).tagged_fields(|_, _| Ok(false)), Err(WireError::Truncated));
    }

    #[test]
    fn nothing_is_reserved_that_the_frame_cannot_hold() {
        let mut frame = reader(&[0; 8]);
        assert_eq!(frame.reserve::<u64>(3, 4), Err(WireError::Truncated));
        assert_eq!(frame.reserve::<u64>(usize::MAX, 1), Err(WireError::Truncated));
        assert!(frame.reserve::<u64>(2, 4).unwrap().capacity() < 16);
        let mut large = Reader::new(Bytes::from(vec![0; 1 << 20]));
        assert_eq!(large.reserve::<[u8; 128]>(1 << 20, 1), Err(WireError::ArraysTooLarge));
    }

    proptest! {
        #[test]
        fn any_varint_is_read_as_written(value: u32) {
            let mut writer = super::super::Writer::new(bytes::BytesMut::new());
            writer.unsigned_varint(value);
            let mut reader = Reader::new(writer.finish().0.freeze());
            prop_assert_eq!(reader.unsigned_varint(), Ok(value));
            prop_assert_eq!(reader.expect_end(), Ok(()));
        }
    }
}
