//! Memory for bytes that come in small parts and are kept together: a piece is appended to while readers share what is
//! there already.
//!
//! Pieces lie on small pages of their own. The allocator's memory is on huge pages, of which the kernel clears 2 MiB at a
//! time while the shard waits; a piece costs a page at a time (`docs/performance.md`, Pauses). None of it leaves its
//! executor.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use super::sys::Pages;

/// Smallest piece, in bytes.
pub const PIECE_BYTES_MIN: usize = 4 << 10;
/// Largest piece, in bytes.
pub const PIECE_BYTES_MAX: usize = 256 << 10;
/// Bytes of pieces of one size that nobody uses and that are kept for the next: enough where old pieces go as new ones come.
const KEPT_BYTES_MAX: usize = 1 << 20;
const SIZES: usize = (PIECE_BYTES_MAX / PIECE_BYTES_MIN).ilog2() as usize + 1;

/// Where pieces come from and go to.
#[derive(Debug, Default)]
pub struct Pieces(Rc<RefCell<Unused>>);

#[derive(Default)]
struct Unused([Vec<Pages>; SIZES]);

impl std::fmt::Debug for Unused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unused").field("bytes", &self.bytes()).finish()
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
        let unused = self.0.borrow_mut().0[size_index(bytes)].pop();
        let pages = unused.map_or_else(|| Pages::map(bytes).ok(), Some)?;
        Some(Piece(Rc::new(Owned { pages: Some(pages), home: Rc::downgrade(&self.0) })))
    }
}

impl Unused {
    fn keep(&mut self, mut pages: Pages) {
        let kept = &mut self.0[size_index(pages.capacity())];
        if (kept.len() + 1) * pages.capacity() <= KEPT_BYTES_MAX {
            pages.clear();
            kept.push(pages);
        }
    }

    fn bytes(&self) -> usize {
        self.0.iter().flatten().map(Pages::capacity).sum()
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
    use super::*;
    use crate::runtime::buffer::Slice;

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
        let sizes = [0, 1, PIECE_BYTES_MIN + 1, PIECE_BYTES_MAX];
        let taken = sizes.map(|bytes| pieces.take(bytes).unwrap());
        assert_eq!(taken.each_ref().map(Piece::capacity), [PIECE_BYTES_MIN, PIECE_BYTES_MIN, 2 * PIECE_BYTES_MIN, PIECE_BYTES_MAX]);
        assert!(taken.iter().all(|piece| piece.append(b"old")));
        let shared = taken[0].clone();
        drop(taken);
        assert_eq!(pieces.0.borrow().bytes(), 3 * PIECE_BYTES_MIN + PIECE_BYTES_MAX, "one is shared still");
        drop(shared);
        assert!(sizes.iter().all(|bytes| pieces.take(*bytes).unwrap().filled().is_empty()));
        let many: Vec<Piece> = (0..100).map(|_| pieces.take(PIECE_BYTES_MAX).unwrap()).collect();
        drop(many);
        assert!(pieces.0.borrow().bytes() <= KEPT_BYTES_MAX + 4 * PIECE_BYTES_MIN);
        let last = pieces.take(1).unwrap();
        drop(pieces);
        assert!(last.append(b"outlives them"));
    }
}
