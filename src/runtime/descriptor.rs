//! Borrowing a file descriptor from glommio's objects, which know only the raw number.
//!
//! One of two files of the crate with `unsafe` in it (`tests/it/tidy.rs` keeps it so).

#![expect(unsafe_code, reason = "glommio 0.9 offers no AsFd")]

use std::os::fd::{AsRawFd, BorrowedFd};

/// The descriptor of `owner`, borrowed for as long as `owner` is.
pub(super) fn of<T: AsRawFd>(owner: &T) -> BorrowedFd<'_> {
    // SAFETY: glommio's files and sockets own their descriptor and close it only when dropped, and the result cannot
    // outlive the borrow of its owner.
    unsafe { BorrowedFd::borrow_raw(owner.as_raw_fd()) }
}
