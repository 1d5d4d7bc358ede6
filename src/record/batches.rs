//! Batches back to back, as in a segment file, a fetch answer or a metadata fetch.

use super::{BatchError, BatchHeader, HEADER_BYTES, header::MAGIC_AT};

/// One complete batch among others. Complete means by its length; see [`Batch::verify`] for its content.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Where the batch starts in the bytes given to [`Batches::new`].
    pub position: usize,
    /// Its header.
    pub header: BatchHeader,
    /// All its bytes, header included.
    pub bytes: &'a [u8],
}

impl Batch<'_> {
    /// Checks checksum and counts.
    ///
    /// # Errors
    /// As [`BatchHeader::verify`].
    pub fn verify(&self) -> Result<(), BatchError> {
        self.header.verify(self.bytes)
    }
}

/// Why the walk over batches stopped before the end of the bytes. All bytes before `position` are complete batches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchesError {
    /// Only zeroes where the next header would be: a file made longer ahead of the log end, or never written.
    #[error("only zeroes from byte {position}")]
    Unwritten {
        /// Where the zeroes start.
        position: usize,
    },
    /// The last batch is cut off: a torn write, or a read or answer with a limit of bytes.
    #[error("the batch at byte {position} has {have} of {need} bytes")]
    Torn {
        /// Where the batch starts.
        position: usize,
        /// Bytes of it that are there.
        have: usize,
        /// Bytes that it takes, as far as known.
        need: usize,
    },
    /// What stands there is no batch of format v2.
    #[error("the batch at byte {position} is damaged: {error}")]
    Damaged {
        /// Where the batch starts.
        position: usize,
        /// What is wrong with it.
        error: BatchError,
    },
}

/// Iterator over concatenated batches: headers are read, contents are not checked. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    stopped: bool,
}

impl<'a> Batches<'a> {
    /// Over `bytes`, which start with a batch.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, stopped: false }
    }

    /// Bytes of the batches given so far.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchesError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        if self.stopped || rest.is_empty() {
            return None;
        }
        match next_batch(rest, self.position) {
            Ok(batch) => {
                self.position += batch.bytes.len();
                Some(Ok(batch))
            }
            Err(error) => {
                self.stopped = true;
                Some(Err(error))
            }
        }
    }
}

fn next_batch(rest: &[u8], position: usize) -> Result<Batch<'_>, BatchesError> {
    if rest.iter().take(HEADER_BYTES).all(|byte| *byte == 0) {
        return Err(BatchesError::Unwritten { position });
    }
    let header = match BatchHeader::parse(rest) {
        Ok(header) => header,
        // A header that is cut off can still show that it never was one.
        Err(BatchError::Short { have, need }) => {
            return Err(match rest.get(MAGIC_AT) {
                Some(&magic) if magic != 2 => BatchesError::Damaged { position, error: BatchError::Magic(magic as i8) },
                _ => BatchesError::Torn { position, have, need },
            });
        }
        Err(error) => return Err(BatchesError::Damaged { position, error }),
    };
    match rest.get(..header.total_len()) {
        Some(bytes) => Ok(Batch { position, header, bytes }),
        None => Err(BatchesError::Torn { position, have: rest.len(), need: header.total_len() }),
    }
}
