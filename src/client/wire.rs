//! The primitive types of Kafka's wire format, for the two requests that the client keeps as templates.
//!
//! Pure functions over bytes. Reading never trusts a length: everything is cut from the bytes that are there.

/// Why an answer cannot be understood. The connection it came from is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The answer ends inside a field.
    #[error("the answer ends inside a field")]
    Short,
    /// A length or count is negative, or larger than the bytes that follow.
    #[error("a length in the answer is impossible")]
    Length,
    /// The answer goes on after its last field.
    #[error("the answer has {0} bytes after its last field")]
    Trailing(usize),
    /// The answer is not to the request that it should answer.
    #[error("the answer has correlation id {got}, not {expected}")]
    Correlation {
        /// What the request was sent with.
        expected: i32,
        /// What came back.
        got: i32,
    },
    /// The answer speaks of a topic or partition that was not asked about, or not of one that was.
    #[error("the answer is about another topic or partition than the request")]
    Subject,
}

/// Cuts fields from the front of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// `Short`.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], AnswerError> {
        let (front, rest) = self.bytes.split_at_checked(count).ok_or(AnswerError::Short)?;
        self.bytes = rest;
        Ok(front)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], AnswerError> {
        let (front, rest) = self.bytes.split_first_chunk::<N>().ok_or(AnswerError::Short)?;
        self.bytes = rest;
        Ok(*front)
    }

    /// An INT16.
    ///
    /// # Errors
    /// `Short`.
    #[inline]
    pub fn i16(&mut self) -> Result<i16, AnswerError> {
        self.array().map(i16::from_be_bytes)
    }

    /// An INT32.
    ///
    /// # Errors
    /// `Short`.
    #[inline]
    pub fn i32(&mut self) -> Result<i32, AnswerError> {
        self.array().map(i32::from_be_bytes)
    }

    /// An INT64.
    ///
    /// # Errors
    /// `Short`.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, AnswerError> {
        self.array().map(i64::from_be_bytes)
    }

    /// An UNSIGNED_VARINT of at most 32 bits.
    ///
    /// # Errors
    /// `Short`, `Length`.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, AnswerError> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            let low = u32::from(byte & 0x7f);
            if shift == 28 && low > 0x0f {
                return Err(AnswerError::Length);
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(AnswerError::Length)
    }

    /// COMPACT_NULLABLE_BYTES or a compact string: `None` is null.
    ///
    /// # Errors
    /// `Short`, `Length`.
    #[inline]
    pub fn compact_bytes(&mut self) -> Result<Option<&'a [u8]>, AnswerError> {
        match self.uvarint()? {
            0 => Ok(None),
            length => self.take(length as usize - 1).map(Some),
        }
    }

    /// The count of a compact array; a null array counts as empty. Bounded by the bytes that are left, as no element
    /// takes less than one.
    ///
    /// # Errors
    /// `Short`, `Length`.
    #[inline]
    pub fn compact_count(&mut self) -> Result<usize, AnswerError> {
        let count = self.uvarint()?.saturating_sub(1) as usize;
        if count > self.remaining() { Err(AnswerError::Length) } else { Ok(count) }
    }

    /// Passes over tagged fields.
    ///
    /// # Errors
    /// `Short`, `Length`.
    #[inline]
    pub fn skip_tags(&mut self) -> Result<(), AnswerError> {
        let count = self.uvarint()?;
        for _ in 0..count {
            self.uvarint()?;
            let length = self.uvarint()?;
            self.take(length as usize)?;
        }
        Ok(())
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `Trailing`.
    #[inline]
    pub fn finish(&self) -> Result<(), AnswerError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(AnswerError::Trailing(self.bytes.len())) }
    }
}

/// Appends an UNSIGNED_VARINT.
pub fn put_uvarint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends COMPACT_BYTES or a compact string.
///
/// # Panics
/// If `bytes` is 4 GiB or more: the client sends nothing as large.
pub fn put_compact_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_compact_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends the length of COMPACT_BYTES or the count of a compact array.
///
/// # Panics
/// As [`put_compact_bytes`].
pub fn put_compact_len(out: &mut Vec<u8>, length: usize) {
    assert!(length < u32::MAX as usize, "the client sends nothing of 4 GiB");
    put_uvarint(out, length as u32 + 1);
}

/// Starts a request frame with a header of version 2: the size and the correlation id are left zero, see
/// [`seal_frame`] and [`set_correlation`].
pub fn start_frame(api_key: i16, version: i16, client_id: &str) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&api_key.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    let client_id = &client_id.as_bytes()[..client_id.len().min(i16::MAX as usize)];
    out.extend_from_slice(&(client_id.len() as i16).to_be_bytes());
    out.extend_from_slice(client_id);
    out.push(0);
    out
}

/// Bytes of a frame before its correlation id.
const CORRELATION_AT: usize = 8;

/// Writes the size of the frame whose beginning is `frame`, when `more` bytes follow it.
///
/// # Panics
/// If the frame is 2 GiB or more.
pub fn seal_frame(frame: &mut [u8], more: usize) {
    let size = frame.len() - 4 + more;
    assert!(size <= i32::MAX as usize, "the client sends no frame of 2 GiB");
    frame[..4].copy_from_slice(&(size as i32).to_be_bytes());
}

/// Writes the correlation id of a frame.
#[inline]
pub fn set_correlation(frame: &mut [u8], correlation: i32) {
    frame[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&correlation.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_of_more_than_32_bits_is_refused() {
        assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).uvarint(), Ok(u32::MAX));
        assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).uvarint(), Err(AnswerError::Length));
        assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).uvarint(), Err(AnswerError::Length));
        assert_eq!(Cursor::new(&[0xff]).uvarint(), Err(AnswerError::Short));
    }

    #[test]
    fn a_count_beyond_the_answer_is_refused() {
        assert_eq!(Cursor::new(&[0x05, 1, 2, 3]).compact_count(), Err(AnswerError::Length));
        assert_eq!(Cursor::new(&[0x04, 1, 2, 3]).compact_count(), Ok(3));
    }

    #[test]
    fn what_is_put_is_read_back() {
        let mut out = Vec::new();
        put_uvarint(&mut out, 300);
        put_compact_bytes(&mut out, b"orders");
        out.extend_from_slice(&[1, 7, 2, 9, 9]);
        let mut cursor = Cursor::new(&out);
        assert_eq!(cursor.uvarint(), Ok(300));
        assert_eq!(cursor.compact_bytes(), Ok(Some(&b"orders"[..])));
        assert_eq!(cursor.skip_tags(), Ok(()));
        assert_eq!(cursor.finish(), Ok(()));
    }
}
