//! File space ahead of the log end that is already written with zeroes and flushed, so that an append changes no metadata
//! and one flush of the device makes the appends of all logs durable.
//!
//! The space is made in the background, in steps: small ones first, larger ones while the log is fast, so that a thousand
//! quiet logs cost little. An append that finds no runway is made anyway; the file must then be flushed by itself. Zeroes
//! are never written where an append has been or is: an append claims its range first and waits for a zero write that
//! overlaps it.

use std::{cell::Cell, io};

use crate::{
    runtime::{
        buffer::{AlignedBuf, SharedBuf},
        clock,
        file::DirectFile,
        notify::Notify,
    },
    types::limits::IO_ALIGNMENT,
};

use super::shared::LogShared;

/// First step in bytes.
pub(super) const STEP_MIN: u64 = 64 << 10;
/// First step in bytes after a runway was used up before its turn came: until then each append makes a flush of its own.
const STEP_LATE: u64 = 1 << 20;
/// Largest step in bytes.
const STEP_MAX: u64 = 16 << 20;
/// A runway that was used up faster than this makes the next step longer: each step ends with a flush of the file, which
/// the appends of all logs wait behind.
const FAST_NS: u64 = 20_000_000_000;
/// A runway that lasted longer than this makes the next step shorter.
const SLOW_NS: u64 = 600_000_000_000;
/// Bytes of one zero write: an append never waits for more.
const ZERO_BYTES: usize = 1 << 20;
/// The same for a log that has time: the appends of all logs wait behind them in the device.
const CALM_ZERO_BYTES: usize = 128 << 10;
/// A log whose last step was used up faster than this has no time.
const HURRY_NS: u64 = 3_000_000_000;
/// In so many parts is the rest of a runway told, ...
const PARTS: u64 = 64;
/// ... and with so few left it is nearly used up.
const FEW_PARTS: u64 = 12;
/// An append of so many bytes costs the device less with a flush of its own than with zeroes before it.
const LARGE_APPEND: u64 = 768 << 10;

/// Blocks of zeroes, made once for all logs of a shard.
#[derive(Debug)]
pub(super) struct Zeroes {
    hurried: SharedBuf,
    calm: SharedBuf,
}

impl Zeroes {
    pub(super) fn new() -> Self {
        Self { hurried: AlignedBuf::zeroed(ZERO_BYTES).freeze(), calm: AlignedBuf::zeroed(CALM_ZERO_BYTES).freeze() }
    }

    /// So many; a multiple of the I/O alignment.
    pub(super) fn of(&self, bytes: usize) -> SharedBuf {
        match bytes {
            ZERO_BYTES => self.hurried.clone(),
            CALM_ZERO_BYTES => self.calm.clone(),
            _ => AlignedBuf::zeroed(bytes).freeze(),
        }
    }
}

/// The runway of one segment file. Invariant: `ready <= end of the file`.
#[derive(Debug, Default)]
pub(super) struct Runway {
    /// Below this the file is written, and its size and extents are durable.
    ready: Cell<u64>,
    /// Appends have claimed everything below this: zeroes must not be written there any more.
    claimed: Cell<u64>,
    /// Bytes that the last append has claimed.
    append: Cell<u64>,
    /// End of the zero write in flight and its start.
    zeroing: Cell<Option<(u64, u64)>>,
    /// A step is being made.
    extending: Cell<bool>,
    step: Cell<u64>,
    extended_ns: Cell<u64>,
    zeroed: Notify,
}

impl Runway {
    /// For a file whose bytes below `written` hold batches and whose size is durable up to `ready`.
    pub(super) fn new(written: u64, ready: u64) -> Self {
        let runway = Self::default();
        runway.reset(written, ready);
        runway
    }

    /// With appends up to `claimed`, after a step of so many bytes.
    #[cfg(test)]
    pub(super) fn with_step(claimed: u64, ready: u64, step: u64) -> Self {
        let runway = Self::new(claimed, ready);
        runway.step.set(step);
        runway
    }

    /// As new, for a file that was cut or replaced while nothing was in flight.
    pub(super) fn reset(&self, written: u64, ready: u64) {
        self.claimed.set(align_up(written));
        self.ready.set(ready);
    }

    /// Claims the file up to `end` for an append; true if that append changes the file's metadata, so that the file must
    /// be flushed by itself.
    pub(super) async fn claim(&self, end: u64) -> bool {
        let claimed = self.claimed.get();
        self.append.set(end.saturating_sub(claimed));
        self.claimed.set(claimed.max(end));
        while let Some((start, _)) = self.zeroing.get()
            && start < end
        {
            self.zeroed.notified().await;
        }
        end > self.ready.get()
    }

    /// True if it is time for another step, for a log that ends at `written` in a file that ends at `segment_bytes`. Then
    /// the caller must see to it that [`Runway::extend`] or [`Runway::give_up`] follows.
    pub(super) fn begin_step(&self, written: u64, segment_bytes: u64) -> bool {
        let ready = self.ready.get();
        let due = !self.extending.get()
            && ready < align_up(segment_bytes)
            && ready.saturating_sub(written) <= self.due_at();
        if due {
            self.extending.set(true);
        }
        due
    }

    /// Where so many bytes are left, another step is due. Logs that are fast alike ask for it at the same time: half a step would
    /// be used up before the last of them has had its turn.
    fn due_at(&self) -> u64 {
        let step = self.step.get().max(STEP_MIN);
        if step == STEP_MAX { step } else { step / 2 }
    }

    /// True until there was a step.
    pub(super) fn is_new(&self) -> bool {
        self.step.get() == 0
    }

    /// How much of it appends have not claimed yet, in parts of its last step.
    pub(super) fn parts_left(&self) -> u64 {
        let left = self.ready.get().saturating_sub(self.claimed.get());
        left.saturating_mul(PARTS) / self.step.get().max(STEP_MIN)
    }

    /// True if it is nearly used up, and appends would miss it.
    pub(super) fn is_pressing(&self) -> bool {
        self.parts_left() <= FEW_PARTS && self.append.get() < LARGE_APPEND
    }

    /// Makes the step that [`Runway::begin_step`] announced.
    pub(super) async fn extend(&self, file: &DirectFile, segment_bytes: u64, shared: &LogShared) -> io::Result<()> {
        let result = self.extend_one_step(file, align_up(segment_bytes), shared).await;
        self.give_up();
        result
    }

    /// The announced step is over, or is not made.
    pub(super) fn give_up(&self) {
        self.extending.set(false);
        self.zeroed.notify();
    }

    /// Ends the making of runway for good: when it returns, no zero write is in flight and none will follow.
    pub(super) async fn stop(&self) {
        self.claimed.set(u64::MAX);
        while self.extending.get() {
            self.zeroed.notified().await;
        }
    }

    async fn extend_one_step(&self, file: &DirectFile, end: u64, shared: &LogShared) -> io::Result<()> {
        let zeroes = &shared.zeroes();
        let is_late = self.claimed.get() > self.ready.get();
        let (step, hurried) = self.next_step(is_late, shared.zeroing.bytes_max());
        let mut from = self.claimed.get().max(self.ready.get());
        let target = align_down(from.saturating_add(step)).min(end);
        if target <= from {
            return Ok(());
        }
        let most = if hurried { ZERO_BYTES } else { CALM_ZERO_BYTES } as u64;
        if target - from > most {
            // The last block first: it makes the file larger once and for all, so that the zero writes below do not take
            // the file's lock from the appends. Not by setting the size: an append that overtakes would be cut off.
            self.zero(file, target - IO_ALIGNMENT as u64, IO_ALIGNMENT as u64, zeroes).await?;
        }
        while from < target {
            // What an append claimed meanwhile is not ours any more.
            from = from.max(self.claimed.get());
            let bytes = target.saturating_sub(from).min(most);
            if bytes == 0 {
                break;
            }
            self.zero(file, from, bytes, zeroes).await?;
            from += bytes;
        }
        file.sync_data().await?;
        // Also true where appends overtook the zeroes: they wrote those blocks before this flush, or wait for their own.
        self.ready.set(self.ready.get().max(from.min(target)));
        Ok(())
    }

    /// Writes zeroes where no append has claimed anything; appends wait for it to end.
    async fn zero(&self, file: &DirectFile, position: u64, bytes: u64, zeroes: &Zeroes) -> io::Result<()> {
        if self.claimed.get() > position {
            return Ok(());
        }
        self.zeroing.set(Some((position, position + bytes)));
        let result = file.write_at(position, zeroes.of(bytes as usize)).await;
        self.zeroing.set(None);
        self.zeroed.notify();
        result
    }

    /// Bytes of the next step, and whether the log is in a hurry for it. `is_late`: appends do without a runway already.
    /// `bytes_max`: where many wait for their turn, none takes long.
    fn next_step(&self, is_late: bool, bytes_max: u64) -> (u64, bool) {
        let now = clock::monotonic_ns();
        let since = now.saturating_sub(self.extended_ns.replace(now));
        let most = bytes_max.clamp(STEP_LATE, STEP_MAX);
        let step = match self.step.get() {
            0 => STEP_MIN,
            step if is_late => (step * 4).clamp(STEP_LATE, most),
            step if since < FAST_NS => (step * 4).min(most),
            step if since > SLOW_NS => (step / 2).max(STEP_MIN),
            step => step,
        };
        self.step.set(step);
        (step, is_late || since < HURRY_NS)
    }
}

/// The next multiple of the I/O alignment.
pub(super) const fn align_up(position: u64) -> u64 {
    position.next_multiple_of(IO_ALIGNMENT as u64)
}

/// The multiple of the I/O alignment at or before `position`.
pub(super) const fn align_down(position: u64) -> u64 {
    position / IO_ALIGNMENT as u64 * IO_ALIGNMENT as u64
}
