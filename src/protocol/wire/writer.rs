//! A frame under construction, with gaps where records will be sent from where they lie.

use bytes::{BufMut, BytesMut};

use super::{WireError, reader::STRING_BYTES_MAX};

/// A gap in a written frame: the sender puts `bytes` bytes of records between `[..at]` and `[at..]` of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Position in the writer's buffer.
    pub at: usize,
    /// Length in bytes of what belongs there. Never 0.
    pub bytes: usize,
}

/// Appends values to a buffer. Cuts come in ascending order of position.
#[derive(Debug)]
pub struct Writer {
    buffer: BytesMut,
    cuts: Vec<Cut>,
}

impl Writer {
    /// Appends to `buffer`, which may hold something already; positions of cuts count from the buffer's start.
    #[must_use]
    pub fn new(buffer: BytesMut) -> Self {
        Self { buffer, cuts: Vec::new() }
    }

    /// The buffer and where records belong in it.
    #[must_use]
    pub fn finish(self) -> (BytesMut, Vec<Cut>) {
        (self.buffer, self.cuts)
    }

    /// Bytes in the buffer, without what belongs into the cuts.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes of the finished frame, with what belongs into the cuts.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.buffer.len() + self.cuts.iter().map(|cut| cut.bytes).sum::<usize>()
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.put_slice(bytes);
    }

    /// Appends an unsigned varint.
    #[inline]
    pub fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    /// Appends a compact length or count, which is written as one more than it is; `None` says null.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    #[inline]
    pub fn compact_len(&mut self, len: Option<usize>) -> Result<(), WireError> {
        let value = match len {
            None => 0,
            Some(len) => i32::try_from(len).map_err(|_| WireError::TooLong(len))? as u32 + 1,
        };
        self.unsigned_varint(value);
        Ok(())
    }

    /// Appends the length of a string: compact, or 2 bytes.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    #[inline]
    pub fn string_len(&mut self, len: Option<usize>, compact: bool) -> Result<(), WireError> {
        if let Some(len) = len.filter(|len| *len > STRING_BYTES_MAX) {
            return Err(WireError::TooLong(len));
        }
        if compact {
            return self.compact_len(len);
        }
        self.buffer.put_i16(len.map_or(-1, |len| len as i16));
        Ok(())
    }

    /// Appends the length of bytes, records or an array: compact, or 4 bytes.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    #[inline]
    pub fn len(&mut self, len: Option<usize>, compact: bool) -> Result<(), WireError> {
        if compact {
            return self.compact_len(len);
        }
        let value = match len {
            None => -1,
            Some(len) => i32::try_from(len).map_err(|_| WireError::TooLong(len))?,
        };
        self.buffer.put_i32(value);
        Ok(())
    }

    /// Appends the byte before a structure that may be null.
    pub fn struct_marker(&mut self, present: bool) {
        self.buffer.put_i8(if present { 1 } else { -1 });
    }

    /// Appends the same for a tagged field.
    pub fn tagged_struct_marker(&mut self, present: bool) {
        self.unsigned_varint(present.into());
    }

    /// Leaves a gap of `bytes` bytes at the present position.
    #[inline]
    pub fn cut(&mut self, bytes: usize) {
        if bytes > 0 {
            self.cuts.push(Cut { at: self.buffer.len(), bytes });
        }
    }

    /// Appends a tagged field: tag, size, and what `content` writes.
    ///
    /// # Errors
    /// [`WireError::TooLong`] and what `content` gives.
    pub fn tagged_field(
        &mut self,
        tag: u32,
        content: impl FnOnce(&mut Self) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        self.unsigned_varint(tag);
        let start = self.buffer.len();
        let first_cut = self.cuts.len();
        content(self)?;
        // The size stands before the content but is known after it: append it, then rotate it into place.
        let content_end = self.buffer.len();
        let cut_bytes = self.cuts[first_cut..].iter().map(|cut| cut.bytes).sum::<usize>();
        let size = content_end - start + cut_bytes;
        self.unsigned_varint(u32::try_from(size).map_err(|_| WireError::TooLong(size))?);
        let size_len = self.buffer.len() - content_end;
        self.buffer[start..].rotate_right(size_len);
        for cut in &mut self.cuts[first_cut..] {
            cut.at += size_len;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{Cut, WireError, Writer};

    #[test]
    fn a_tagged_field_has_its_size_before_it_and_its_cuts_behind_it() {
        let mut writer = Writer::new(BytesMut::from(&b"head"[..]));
        writer
            .tagged_field(3, |writer| {
                writer.raw(b"ab");
                writer.cut(200);
                writer.raw(b"c");
                Ok(())
            })
            .unwrap();
        assert_eq!(writer.frame_bytes(), 4 + 1 + 2 + 203);
        let (buffer, cuts) = writer.finish();
        // 203 as a varint is cb 01.
        assert_eq!(&buffer[..], b"head\x03\xcb\x01abc");
        assert_eq!(cuts, [Cut { at: 9, bytes: 200 }]);
    }

    #[test]
    fn what_a_length_field_cannot_hold_is_refused() {
        let mut writer = Writer::new(BytesMut::new());
        assert_eq!(writer.string_len(Some(32768), true), Err(WireError::TooLong(32768)));
        assert_eq!(writer.string_len(Some(32768), false), Err(WireError::TooLong(32768)));
        assert_eq!(writer.len(Some(1 << 31), false), Err(WireError::TooLong(1 << 31)));
        assert_eq!(writer.len(Some(1 << 31), true), Err(WireError::TooLong(1 << 31)));
        assert_eq!(writer.string_len(None, false), Ok(()));
        assert_eq!(writer.len(None, true), Ok(()));
        assert_eq!(&writer.finish().0[..], [0xff, 0xff, 0]);
    }
}
