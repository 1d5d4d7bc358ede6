//! Log offsets.

/// The position of a record in a partition's log: 0, 1, 2, … without gaps as appended (compaction leaves gaps).
///
/// Also used for exclusive ends (log end offset, high watermark): the offset that the next record gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Offset(i64);

impl Offset {
    /// The first offset of every log.
    pub const ZERO: Offset = Offset(0);
    /// The largest offset; an append that would pass it is refused.
    pub const MAX: Offset = Offset(i64::MAX);

    /// An offset from a wire or disk number; `None` if negative.
    pub const fn new(value: i64) -> Option<Self> {
        if value < 0 { None } else { Some(Self(value)) }
    }

    /// An offset from a number known not to be negative (a constant, a sum of offsets); negative numbers become zero.
    pub const fn saturating(value: i64) -> Self {
        if value < 0 { Self(0) } else { Self(value) }
    }

    /// The number for the wire and for file names.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This offset moved up by `records`; saturates at [`Offset::MAX`].
    #[must_use]
    pub const fn plus(self, records: i64) -> Self {
        Self::saturating(self.0.saturating_add(records))
    }

    /// The offset after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The offset before this one; zero stays zero.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self::saturating(self.0 - 1)
    }

    /// How many offsets lie from `start` (inclusive) to `self` (exclusive); negative if `start` is later.
    pub const fn since(self, start: Offset) -> i64 {
        self.0.saturating_sub(start.0)
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
