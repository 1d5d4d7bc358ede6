//! The four codecs of Kafka, as its Java clients write and read them, with a hard cap on what comes out.
//!
//! A few bytes may claim, or really expand to, gigabytes: every decompression is handed the most bytes that may come
//! out and is refused beyond them. No output memory is reserved by a claim that the input could not fulfil.

mod bounded;
mod gzip;
mod lz4;
mod snappy;
mod zstd;

/// How the records of a batch are compressed (CompressionType.java).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// Not at all.
    #[default]
    None = 0,
    /// RFC 1952; several members may follow each other.
    Gzip = 1,
    /// Snappy blocks in the framing of snappy-java ("xerial"), or one raw block as other clients send.
    Snappy = 2,
    /// The LZ4 frame format.
    Lz4 = 3,
    /// RFC 8878.
    Zstd = 4,
}

impl Codec {
    /// Every codec, by number.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The codec of a number in batch attributes; `None` where Kafka defines none.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.get(usize::from(id)).copied()
    }

    /// The number in batch attributes.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Kafka's name, as in `compression.type` (where no compression is called `uncompressed`).
    pub const fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// Why bytes do not decompress (or, which only lack of memory can cause, do not compress).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// More would come out than the caller takes.
    #[error("{codec} data decompresses to more than {output_max} bytes", codec = codec.name())]
    TooLarge {
        /// How the data is compressed.
        codec: Codec,
        /// The cap that it passes.
        output_max: usize,
    },
    /// No valid data of that codec.
    #[error("malformed {codec} data: {problem}", codec = codec.name())]
    Malformed {
        /// How the data is said to be compressed.
        codec: Codec,
        /// What the decoder objects to.
        problem: String,
    },
}

impl CompressionError {
    fn malformed(codec: Codec, problem: impl ToString) -> Self {
        Self::Malformed { codec, problem: problem.to_string() }
    }
}

/// Decompresses `input` into at most `output_max` bytes. [`Codec::None`] copies.
///
/// # Errors
/// `TooLarge` or `Malformed`.
pub fn decompress(codec: Codec, input: &[u8], output_max: usize) -> Result<Vec<u8>, CompressionError> {
    if input.is_empty() && codec != Codec::None {
        return Err(CompressionError::malformed(codec, "no data at all"));
    }
    match codec {
        Codec::None if input.len() > output_max => Err(CompressionError::TooLarge { codec, output_max }),
        Codec::None => Ok(input.to_vec()),
        Codec::Gzip => gzip::decompress(input, output_max),
        Codec::Snappy => snappy::decompress(input, output_max),
        Codec::Lz4 => lz4::decompress(input, output_max),
        Codec::Zstd => zstd::decompress(input, output_max),
    }
}

/// True if `input` begins as data of that codec does: a look at the first bytes, not a check.
pub fn begins_like(codec: Codec, input: &[u8]) -> bool {
    match codec {
        Codec::None => true,
        Codec::Gzip => input.starts_with(&[0x1f, 0x8b]),
        Codec::Snappy => snappy::begins_like(input),
        Codec::Lz4 => input.starts_with(&[0x04, 0x22, 0x4d, 0x18]),
        // A frame, or one that readers skip (RFC 8878, section 3.1.2).
        Codec::Zstd => match input.first_chunk() {
            Some([0x28, 0xb5, 0x2f, 0xfd]) => true,
            Some([first, 0x2a, 0x4d, 0x18]) => first & 0xf0 == 0x50,
            _ => false,
        },
    }
}

/// Compresses `input`. `level` is the codec's own (`compression.gzip.level` 1..=9, `compression.zstd.level`
/// -131072..=22); `None` is its default. Snappy has no levels, and LZ4 has only the fast one here.
///
/// # Errors
/// `Malformed` if the encoder fails, which it does only for lack of memory or for over 4 GiB.
pub fn compress(codec: Codec, level: Option<i32>, input: &[u8]) -> Result<Vec<u8>, CompressionError> {
    match codec {
        Codec::None => Ok(input.to_vec()),
        Codec::Gzip => gzip::compress(input, level),
        Codec::Snappy => snappy::compress(input),
        Codec::Lz4 => lz4::compress(input),
        Codec::Zstd => zstd::compress(input, level),
    }
}

#[cfg(test)]
mod tests;
