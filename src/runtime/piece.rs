//! Memory for bytes that come in small parts and are kept together: a piece is appended to while readers share what is
//! there already.
//!
//! Pieces lie on pages of their own. The allocator's memory is on huge pages, of which the kernel clears 2 MiB at a time while
//! the shard waits. A small piece is on small pages, cleared one by one. A piece of full size is part of a huge page that was
//! cleared in advance, which the processor finds its way to much faster than to sixty-four small ones (`docs/performance.md`); if
//! none is there in time, it is on small pages as well. None of it leaves its executor.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use super::{
    cleared::ClearedPages,
    sys::{HUGE_PAGE, Pages},
};

/// Smallest piece, in bytes.
pub const PIECE_BYTES_MIN: usize = 4 << 10;
/// Largest piece, in bytes.
pub const PIECE_BYTES_MAX: usize = 256 << 10;
/// Bytes of pieces of one size that nobody uses and that are kept for the next: enough where old pieces go as new ones come.
const KEPT_BYTES_MAX: usize = 1 << 20;
const SIZES: usize = (PIECE_BYTES_MAX / PIECE_BYTES_MIN).ilog2() as usize + 1;
/// Pieces that a huge page has place for.
const PARTS: usize = HUGE_PAGE / PIECE_BYTES_MAX;
/// With fewer parts of huge pages that nobody uses, another page is asked for.
const PARTS_MIN: usize = PARTS;
/// With more of them, a page that nobody uses any part of is given back.
const PARTS_MAX: usize = 3 * PARTS;

/// Where pieces come from and go to.
#[derive(Debug, Default)]
pub struct Pieces(Rc<RefCell<Unused>>);

#[derive(Default)]
struct Unused {
    /// On small pages, by size.
    small: [Vec<Pages>; SIZES],
    /// Of full size, parts of huge pages.
    parts: Vec<Pages>,
    /// Started when a piece of full size is first needed.
    huge: Option<ClearedPages>,
}

impl std::fmt::Debug for Unused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unused").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl Pieces {
    /// An empty piece for at least `bytes` bytes, rounded up to a power of two; `None` if that is more than a piece can
    /// hold or the system has no memory.
    pub fn take(&self, bytes: usize) -> Option<Piece> {
        if bytes > PIECE_BYTES_MAX {
            return None;
        }
        let bytes = bytes.max(PIECE_BYTES_MIN).next_power_of_two();
        let unused = self.0.borrow_mut().take(bytes);
        let pages = unused.map_or_else(|| Pages::map(bytes).ok(), Some)?;
        Some(Piece(Rc::new(Owned { pages: Some(pages), home: Rc::downgrade(&self.0) })))
    }
}

impl Unused {
    /// Of a size that is a power of two.
    fn take(&mut self, bytes: usize) -> Option<Pages> {
        let part = if bytes == PIECE_BYTES_MAX { self.take_part() } else { None };
        part.or_else(|| self.small[size_index(bytes)].pop())
    }

    fn take_part(&mut self) -> Option<Pages> {
        if self.huge.is_none() {
            let started = ClearedPages::start();
            self.huge = started.inspect_err(|error| tracing::debug!(%error, "no thread clears huge pages")).ok();
        }
        let huge = self.huge.as_ref()?;
        if let Some(page) = huge.take() {
            self.parts.extend(Pages::parts(page, PIECE_BYTES_MAX));
        }
        let part = self.parts.pop();
        if self.parts.len() < PARTS_MIN {
            huge.ask();
        }
        part
    }

    fn keep(&mut self, mut pages: Pages) {
        pages.clear();
        if pages.is_part() {
            return self.keep_part(pages);
        }
        let kept = &mut self.small[size_index(pages.capacity())];
        if (kept.len() + 1) * pages.capacity() <= KEPT_BYTES_MAX {
            kept.push(pages);
        }
    }

    fn keep_part(&mut self, part: Pages) {
        let beside = || self.parts.iter().filter(|other| other.is_beside(&part)).count();
        if self.parts.len() >= PARTS_MAX && beside() == PARTS - 1 {
            self.parts.retain(|other| !other.is_beside(&part));
        } else {
            self.parts.push(part);
        }
    }

    fn bytes(&self) -> usize {
        self.small.iter().flatten().chain(&self.parts).map(Pages::capacity).sum()
    }
}

/// Of a size that is a power of two.
fn size_index(bytes: usize) -> usize {
    (bytes / PIECE_BYTES_MIN).ilog2() as usize
}

/// Memory that only grows. Cloning shares it; the last one gives it back.
#[derive(Clone)]
pub struct Piece(Rc<Owned>);

struct Owned {
    /// Present until it is dropped.
    pages: Option<Pages>,
    home: Weak<RefCell<Unused>>,
}

impl Piece {
    /// What was appended.
    pub fn filled(&self) -> &[u8] {
        self.0.pages.as_ref().map_or(&[], Pages::filled)
    }

    /// Bytes that it can hold.
    pub fn capacity(&self) -> usize {
        self.0.pages.as_ref().map_or(0, Pages::capacity)
    }

    /// Puts `bytes` behind what is there; false if there is no room.
    pub fn append(&self, bytes: &[u8]) -> bool {
        let Some(pages) = &self.0.pages else { return false };
        let fits = bytes.len() <= pages.capacity() - pages.filled().len();
        if fits {
            pages.append(bytes);
        }
        fits
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let (Some(pages), Some(home)) = (self.pages.take(), self.home.upgrade()) {
            home.borrow_mut().keep(pages);
        }
    }
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Piece").field("filled", &self.filled().len()).field("capacity", &self.capacity()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::{buffer::Slice, executor::run_alone, timer};

    #[test]
    fn what_is_there_stays_while_more_comes() {
        let pieces = Pieces::default();
        let mut whole = Slice::from(pieces.take(10).unwrap());
        assert!(whole.is_empty() && whole.extend(b"one") && whole.extend(b"two"));
        let part = whole.slice(1..5);
        assert!(whole.extend(&[7; PIECE_BYTES_MIN - 6]));
        assert!(!whole.extend(b"x"), "it is full");
        assert_eq!((&*part, &whole[..6], whole.len()), (&b"netw"[..], &b"onetwo"[..], PIECE_BYTES_MIN));
        let mut first = whole.slice(0..3);
        assert!(!first.extend(b"x"), "more has been put behind it");
    }

    #[test]
    fn pieces_come_back_empty_and_not_without_bound() {
        let pieces = Pieces::default();
        assert!(pieces.take(PIECE_BYTES_MAX + 1).is_none());
        let sizes = [0, 1, PIECE_BYTES_MIN + 1, PIECE_BYTES_MAX / 2];
        let taken = sizes.map(|bytes| pieces.take(bytes).unwrap());
        let capacities = [PIECE_BYTES_MIN, PIECE_BYTES_MIN, 2 * PIECE_BYTES_MIN, PIECE_BYTES_MAX / 2];
        assert_eq!(taken.each_ref().map(Piece::capacity), capacities);
        assert!(taken.iter().all(|piece| piece.append(b"old")));
        let shared = taken[0].clone();
        drop(taken);
        assert_eq!(pieces.0.borrow().bytes(), 3 * PIECE_BYTES_MIN + PIECE_BYTES_MAX / 2, "one is shared still");
        drop(shared);
        assert!(sizes.iter().all(|bytes| pieces.take(*bytes).unwrap().filled().is_empty()));
        let many: Vec<Piece> = (0..100).map(|_| pieces.take(PIECE_BYTES_MAX / 2).unwrap()).collect();
        drop(many);
        assert!(pieces.0.borrow().bytes() <= KEPT_BYTES_MAX + 4 * PIECE_BYTES_MIN);
        let last = pieces.take(1).unwrap();
        drop(pieces);
        assert!(last.append(b"outlives them"));
    }

    #[test]
    fn full_pieces_are_parts_of_huge_pages_as_soon_as_there_are_any() {
        run_alone(huge_pages_come_and_go).unwrap();
    }

    async fn huge_pages_come_and_go() {
        let pieces = Pieces::default();
        let (parts, taken) = (|| pieces.0.borrow().parts.len(), RefCell::new(Vec::new()));
        let on_huge_pages = || taken.borrow().iter().filter(|piece: &&Piece| piece.0.pages.as_ref().unwrap().is_part()).count();
        let take_one = || {
            let piece = pieces.take(PIECE_BYTES_MAX).unwrap();
            assert_eq!((piece.capacity(), piece.filled()), (PIECE_BYTES_MAX, &[][..]));
            assert!(piece.append(&[taken.borrow().len() as u8; PIECE_BYTES_MAX]) && !piece.append(b"x"));
            taken.borrow_mut().push(piece);
            on_huge_pages() >= 10 * PARTS
        };
        timer::wait_until(take_one, Duration::from_secs(20)).await;
        for (number, piece) in taken.borrow().iter().enumerate() {
            assert!(piece.filled().iter().all(|byte| *byte == number as u8), "piece {number} is nobody else's");
        }
        assert!(on_huge_pages() >= 10 * PARTS, "the pages come");
        // Every other one is used still, so no page is free.
        let mut number = 0;
        taken.borrow_mut().retain(|_| (number += 1, number % 2).1 == 0);
        assert!(pieces.take(PIECE_BYTES_MAX).unwrap().filled().is_empty());
        assert!(parts() + on_huge_pages() >= 10 * PARTS, "nothing of a used page is given back");
        taken.take();
        assert!((PARTS_MIN..=PARTS_MAX + PARTS).contains(&parts()), "{} parts are kept", parts());
    }
}
