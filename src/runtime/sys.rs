//! What needs `unsafe`: descriptors that glommio knows only as numbers, asking whether io_uring may be used, pages that the
//! allocator has no part in, and copies that leave the caches alone.
//!
//! The only file of the crate with `unsafe` in it (`tests/it/tidy.rs` keeps it so).

#![expect(unsafe_code, reason = "glommio 0.9 offers neither AsFd nor From<OwnedFd>, rustix no safe io_uring and mmap, and std no streaming stores")]

use std::{
    cell::Cell,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
    ptr::{self, NonNull},
};

use rustix::{
    io_uring::{io_uring_params, io_uring_setup},
    mm::{self, Advice, MapFlags, ProtFlags},
};

/// Bytes that the caches hold together.
#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;

/// The descriptor of `owner`, borrowed for as long as `owner` is.
pub(super) fn descriptor<T: AsRawFd>(owner: &T) -> BorrowedFd<'_> {
    // SAFETY: glommio's files and sockets own their descriptor and close it only when dropped, and the result cannot
    // outlive the borrow of its owner.
    unsafe { BorrowedFd::borrow_raw(owner.as_raw_fd()) }
}

/// Makes an object of glommio's own the descriptor.
pub(super) fn adopt<T: FromRawFd>(descriptor: OwnedFd) -> T {
    // SAFETY: the descriptor is open, and `into_raw_fd` gives up its ownership, which the result takes.
    unsafe { T::from_raw_fd(descriptor.into_raw_fd()) }
}

/// Sets up a small ring and closes it again.
///
/// # Errors
/// The kernel has no io_uring (ENOSYS) or forbids it (EPERM), or locked memory is short (ENOMEM).
pub(super) fn try_io_uring() -> io::Result<()> {
    let mut params = io_uring_params::default();
    // SAFETY: the parameters are zero, which is valid; the ring is never mapped or entered, only dropped.
    let ring = unsafe { io_uring_setup(8, &mut params) };
    ring.map(drop).map_err(io::Error::from)
}

/// Copies `from` to `to`, which is as long, without reading `to` into the caches first and without leaving it there: twice as
/// fast for kilobytes that only the device, and maybe a reader, will want. The first bytes are in the caches after all.
///
/// # Panics
/// The lengths differ.
#[cfg(target_arch = "x86_64")]
pub(super) fn copy_past_caches(to: &mut [u8], from: &[u8]) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_sfence, _mm_stream_si128};
    const WIDTH: usize = size_of::<__m128i>();

    assert_eq!(to.len(), from.len(), "a copy has the length of what is copied");
    let head = (to.as_ptr().align_offset(CACHE_LINE) + CACHE_LINE).min(to.len());
    let (to_head, to) = to.split_at_mut(head);
    let (from_head, from) = from.split_at(head);
    to_head.copy_from_slice(from_head);
    let (to_lines, to_tail) = to.as_chunks_mut::<CACHE_LINE>();
    let (from_lines, from_tail) = from.as_chunks::<CACHE_LINE>();
    for (to, from) in to_lines.iter_mut().zip(from_lines) {
        for at in (0..CACHE_LINE).step_by(WIDTH) {
            // SAFETY: both ranges lie in their lines; a line of `to` begins at a multiple of its own size, so each part of it
            // at a multiple of WIDTH. Streaming stores are fenced below, before anybody else can see `to`.
            unsafe { _mm_stream_si128(to.as_mut_ptr().add(at).cast(), _mm_loadu_si128(from.as_ptr().add(at).cast())) };
        }
    }
    // SAFETY: every processor of this architecture has it.
    unsafe { _mm_sfence() };
    to_tail.copy_from_slice(from_tail);
}

/// Copies `from` to `to`, which is as long.
///
/// # Panics
/// The lengths differ.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn copy_past_caches(to: &mut [u8], from: &[u8]) {
    to.copy_from_slice(from);
}

/// Private pages of the smallest size, filled from front to back. What is filled does not change until it is cleared, which
/// takes the only owner, so it may be read while more is appended. The kernel clears a page when it is first written to.
pub(super) struct Pages {
    start: NonNull<u8>,
    bytes: usize,
    filled: Cell<usize>,
}

impl Pages {
    /// Maps `bytes`, more than none, rounded up to whole pages by the kernel.
    ///
    /// # Errors
    /// No memory, or too many mappings (`vm.max_map_count`).
    pub(super) fn map(bytes: usize) -> io::Result<Self> {
        // SAFETY: the kernel chooses the place, so nothing that is mapped already is touched.
        let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let pages = Self { start, bytes, filled: Cell::new(0) };
        // SAFETY: the range is the mapping's, and the advice changes only which pages the kernel takes for it. A kernel
        // without huge pages refuses it, and is right as it is.
        let _ = unsafe { mm::madvise(start.as_ptr().cast(), bytes, Advice::LinuxNoHugepage) };
        Ok(pages)
    }

    /// Size of the mapping.
    pub(super) fn capacity(&self) -> usize {
        self.bytes
    }

    /// What was appended.
    pub(super) fn filled(&self) -> &[u8] {
        // SAFETY: the first `filled` bytes are mapped and were written, and nothing writes to them while `self` is
        // borrowed: `append` writes behind them, and `clear` wants `self` alone.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.filled.get()) }
    }

    /// Puts `more` behind what is there.
    ///
    /// # Panics
    /// There is no room.
    pub(super) fn append(&self, more: &[u8]) {
        let filled = self.filled.get();
        assert!(more.len() <= self.bytes - filled, "what is appended has room");
        // SAFETY: the range lies in the mapping, behind all that anybody can have borrowed, so `more` is not in it either.
        // The type is not `Sync`: no other thread appends.
        unsafe { ptr::copy_nonoverlapping(more.as_ptr(), self.start.as_ptr().add(filled), more.len()) };
        self.filled.set(filled + more.len());
    }

    /// Forgets what was appended.
    pub(super) fn clear(&mut self) {
        self.filled.set(0);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is this object's, and all that was borrowed from it has ended.
        let _ = unsafe { mm::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_exact_at_every_place() {
        let from: Vec<u8> = (0..1000).map(|at| (at % 251) as u8).collect();
        for bytes in (0..200).chain([999, 1000]) {
            for place in 0..70 {
                let mut to = vec![255; bytes + 140];
                copy_past_caches(&mut to[place..place + bytes], &from[..bytes]);
                assert_eq!(to[place..place + bytes], from[..bytes], "{bytes} bytes at {place}");
                assert!(to[..place].iter().chain(&to[place + bytes..]).all(|byte| *byte == 255), "{bytes} bytes at {place}");
            }
        }
    }
}
