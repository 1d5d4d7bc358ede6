//! The system calls that need `unsafe`: descriptors that glommio knows only as numbers, and asking whether io_uring
//! may be used.
//!
//! The only file of the crate with `unsafe` in it (`tests/it/tidy.rs` keeps it so).

#![expect(unsafe_code, reason = "glommio 0.9 offers neither AsFd nor From<OwnedFd>, and rustix no safe io_uring")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
};

use rustix::io_uring::{io_uring_params, io_uring_setup};

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
