//! What needs `unsafe`: descriptors that glommio knows only as numbers, how its rings are set up and submitted to, what the
//! allocator does with free memory, pages that it has no part in, and copies that leave the caches alone.
//!
//! The only file of the crate with `unsafe` in it (`tests/it/tidy.rs` keeps it so).

#![expect(unsafe_code, reason = "glommio 0.9 offers neither AsFd nor From<OwnedFd> nor flags of its rings, rustix no safe io_uring and mmap, mimalloc no safe options, and std no streaming stores")]

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
    ptr::{self, NonNull},
    rc::Rc,
    sync::atomic::{AtomicU32, Ordering},
};

use libmimalloc_sys::{mi_option_get, mi_option_set, mi_option_t};
use rustix::{
    io_uring::{IoringEnterFlags, IoringOp, IoringSetupFlags, IoringSqeFlags, io_uring_params, io_uring_setup, io_uring_sqe, io_uring_user_data},
    mm::{self, Advice, MapFlags, ProtFlags},
};

use super::{
    clock,
    submission::{Entry, Fate, Submissions},
};

/// Options of mimalloc 3 that its binding has no names for (`mi_option_e`): how long free memory is kept, in milliseconds,
/// and how much of it at least is given back at once, in KiB; each with its default.
const PURGE_DELAY: (mi_option_t, i64) = (15, 1_000);
const MINIMAL_PURGE_SIZE: (mi_option_t, i64) = (44, 0);

/// Rings that were asked for with [`IoringSetupFlags::COOP_TASKRUN`], whether or not this kernel knows it.
static COOPERATIVE_RINGS: AtomicU32 = AtomicU32::new(0);

/// Bytes of the smallest page that a kernel has.
const SMALL_PAGE: usize = 4 << 10;
/// Bytes of a huge page; where the kernel's are larger, it takes others.
pub(super) const HUGE_PAGE: usize = 2 << 20;

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

/// Sets up a ring for glommio, whose liburing calls this instead of its own function (`src/runtime/build.rs`): its interface
/// takes no flags. The ring's completions do not interrupt the thread that it belongs to while that runs, but come with its
/// next system call: in a virtual machine each interrupt from another core takes some 15 us (`docs/performance.md`).
///
/// Returns the ring's descriptor, or -1 and leaves the reason in errno, as the function that it stands for.
///
/// # Safety
/// `params` is as io_uring_setup(2) wants it.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap___sys_io_uring_setup(entries: u32, params: *mut io_uring_params) -> libc::c_int {
    // SAFETY: the caller vouches for `params`, which nobody else uses meanwhile; the call writes to nothing else. A
    // descriptor fits an int.
    unsafe {
        let plain = *params;
        (*params).flags |= IoringSetupFlags::COOP_TASKRUN;
        COOPERATIVE_RINGS.fetch_add(1, Ordering::Relaxed);
        // What is known of this thread's timers concerns rings of before.
        let _ending = KEPT.try_with(|kept| *kept.borrow_mut() = Kept::new());
        let ring = libc::syscall(libc::SYS_io_uring_setup, entries, params);
        if ring >= 0 {
            return ring as libc::c_int;
        }
        // A kernel before 5.19 does not know the flag.
        *params = plain;
        libc::syscall(libc::SYS_io_uring_setup, entries, params) as libc::c_int
    }
}

/// liburing's `struct io_uring_sq`: what it shares with the kernel, and what it has prepared.
#[repr(C)]
struct SubmissionQueue {
    kernel_head: *const AtomicU32,
    kernel_tail: *const AtomicU32,
    mask: *const u32,
    _entries: *const u32,
    _flags: *const u32,
    _dropped: *const u32,
    order: *mut u32,
    entries: *mut io_uring_sqe,
    /// Between `head` and `tail` are the entries that the kernel does not know of yet.
    head: u32,
    tail: u32,
    _mapped_bytes: usize,
    _mapped: *const u8,
    _pad: [u32; 4],
}

/// liburing's `struct io_uring`, of the version in glommio 0.9.0.
#[repr(C)]
struct Ring {
    submissions: SubmissionQueue,
    _completions: [usize; 9],
    _completions_pad: [u32; 4],
    flags: IoringSetupFlags,
    descriptor: libc::c_int,
}

/// An entry that completes at once.
fn nothing(id: u64) -> io_uring_sqe {
    io_uring_sqe { opcode: IoringOp::Nop, fd: -1, user_data: io_uring_user_data::from_u64(id), ..io_uring_sqe::default() }
}

/// What an entry is to `submission.rs`.
///
/// # Safety
/// It was filled in and is yet to be submitted: a timer's time is read.
unsafe fn view(entry: &io_uring_sqe) -> Entry {
    let id = entry.user_data.u64_();
    // SAFETY: all that an entry can hold there are numbers; until it is submitted, a timer's time is where it says, as seconds
    // and nanoseconds.
    unsafe {
        if entry.op_flags.poll32_events != 0 {
            return Entry::Other;
        }
        match (entry.opcode, entry.off_or_addr2.off) {
            (IoringOp::Timeout, 0) if entry.flags.is_empty() => {
                let [seconds, nanoseconds] = *entry.addr_or_splice_off_in.addr.ptr.cast::<[i64; 2]>();
                let after_ns = seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
                Entry::Timer { id, after_ns: u64::try_from(after_ns).unwrap_or(0) }
            }
            (IoringOp::Timeout, 1..) if entry.flags == IoringSqeFlags::IO_LINK => Entry::Counter,
            (IoringOp::AsyncCancel, _) if id == 0 => Entry::Cancel { id: entry.addr_or_splice_off_in.user_data.u64_() },
            _ => Entry::Other,
        }
    }
}

impl SubmissionQueue {
    /// # Safety
    /// As of [`__wrap_io_uring_submit`]. The place is between head and tail, or about to be.
    unsafe fn place(&self, at: u32) -> *mut io_uring_sqe {
        // SAFETY: places are counted on and on, and taken modulo the size of the queue.
        unsafe { self.entries.add((at & *self.mask) as usize) }
    }

    /// Hands the kernel all entries up to `end`. How many it has not taken yet.
    ///
    /// # Safety
    /// As of [`__wrap_io_uring_submit`]; `end` is between head and tail.
    unsafe fn hand_over(&mut self, end: u32) -> u32 {
        // SAFETY: the kernel's tail is moved by this thread alone, and only after the entries are in their places.
        unsafe {
            let mut tail = (*self.kernel_tail).load(Ordering::Relaxed);
            while self.head != end {
                *self.order.add((tail & *self.mask) as usize) = self.head & *self.mask;
                tail = tail.wrapping_add(1);
                self.head = self.head.wrapping_add(1);
            }
            (*self.kernel_tail).store(tail, Ordering::Release);
            tail.wrapping_sub((*self.kernel_head).load(Ordering::Acquire))
        }
    }
}

/// What a thread keeps from one submission to the next.
struct Kept {
    submissions: Submissions,
    entries: Vec<Entry>,
    fates: Vec<Fate>,
    held: Vec<io_uring_sqe>,
}

impl Kept {
    const fn new() -> Self {
        Self { submissions: Submissions::new(), entries: Vec::new(), fates: Vec::new(), held: Vec::new() }
    }

    /// Carries out what is decided about the entries of `queue`: those that the kernel gets are moved to its head, those that are
    /// held behind them. Where the first kind ends, and how many entries glommio is to take for submitted besides those.
    ///
    /// # Safety
    /// As of [`__wrap_io_uring_submit`].
    unsafe fn sift(&mut self, queue: &mut SubmissionQueue) -> (u32, usize) {
        let Self { submissions, entries, fates, held } = self;
        let (head, count) = (queue.head, queue.tail.wrapping_sub(queue.head));
        // SAFETY: only places between head and tail are read, and only those are written to, in order, each after it was read.
        unsafe {
            entries.clear();
            entries.extend((0..count).map(|at| view(&*queue.place(head.wrapping_add(at)))));
            if entries.iter().all(|entry| *entry == Entry::Other) {
                return (queue.tail, 0);
            }
            let mut unseen = submissions.decide(entries, clock::monotonic_ns(), fates);
            let mut end = head;
            for (at, fate) in (0..).zip(&*fates) {
                let entry = *queue.place(head.wrapping_add(at));
                match fate {
                    Fate::Drop => unseen += 1,
                    Fate::Hold => held.push(entry),
                    Fate::Pass | Fate::Complete => {
                        *queue.place(end) = if *fate == Fate::Pass { entry } else { nothing(entry.user_data.u64_()) };
                        end = end.wrapping_add(1);
                    }
                }
            }
            queue.tail = end;
            for entry in held.drain(..) {
                *queue.place(queue.tail) = entry;
                queue.tail = queue.tail.wrapping_add(1);
            }
            (end, unseen)
        }
    }
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept::new()) };
}

/// Submits what glommio has put into a ring, as far as the kernel needs it (`submission.rs`): glommio calls this instead of
/// liburing's function of this name (`src/runtime/build.rs`).
///
/// Returns how many entries glommio has no more to do with, or the reason as a negative number.
///
/// # Safety
/// `ring` is a ring of this thread's executor, set up by the liburing of glommio 0.9.0.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_io_uring_submit(ring: *mut Ring) -> libc::c_int {
    // SAFETY: the caller vouches for the ring, which nobody else uses meanwhile, and whose pointers are good as long as it is.
    unsafe {
        let Ring { submissions: queue, flags, descriptor, .. } = &mut *ring;
        let sifted = KEPT.try_with(|kept| kept.borrow_mut().sift(queue));
        let (end, unseen) = sifted.unwrap_or((queue.tail, 0));
        let submitted = queue.hand_over(end);
        let polled = flags.contains(IoringSetupFlags::IOPOLL);
        if submitted == 0 && !polled {
            return unseen as libc::c_int;
        }
        let enter_flags = if polled { IoringEnterFlags::GETEVENTS } else { IoringEnterFlags::empty() };
        match libc::syscall(libc::SYS_io_uring_enter, *descriptor, submitted, 0, enter_flags.bits(), ptr::null::<u8>(), 0) {
            taken @ 0.. => taken as libc::c_int + unseen as libc::c_int,
            _ => -*libc::__errno_location(),
        }
    }
}

/// Makes the allocator keep memory that is free for a minute, and then give it back by whole huge pages. By default it gives
/// back after a second what a loaded shard wants again at once, in parts of 64 KiB, which break up the huge pages that
/// transfers to the device need (`docs/performance.md`). What the user has set (`MIMALLOC_PURGE_DELAY`,
/// `MIMALLOC_MINIMAL_PURGE_SIZE`) stays.
pub fn keep_free_memory() {
    for ((option, default), value) in [(PURGE_DELAY, 60_000), (MINIMAL_PURGE_SIZE, 2_048)] {
        // SAFETY: both options exist; they are read each time that memory is freed, whichever values they have.
        unsafe {
            if mi_option_get(option) == default {
                mi_option_set(option, value);
            }
        }
    }
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

/// Private memory of its own, which the kernel gets back with the last of its owners.
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: nothing about a mapping belongs to a thread, and who has it shares it with nobody.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `bytes`, more than none, rounded up to whole pages by the kernel, which clears a page when it is first written to.
    fn of(bytes: usize) -> io::Result<Self> {
        // SAFETY: the kernel chooses the place, so nothing that is mapped already is touched.
        let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)? };
        Ok(Self { start: NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?, bytes })
    }

    /// Maps [`HUGE_PAGE`] bytes, on one huge page where the kernel has those, and writes to all of it: nobody has to wait for the
    /// kernel to clear it later.
    ///
    /// # Errors
    /// No memory, or too many mappings (`vm.max_map_count`).
    pub(super) fn cleared() -> io::Result<Self> {
        let huge = Self::of(HUGE_PAGE)?.aligned().map_or_else(|| Self::of(2 * HUGE_PAGE).map(Self::aligned_part), Ok)?;
        huge.advise(Advice::LinuxHugepage);
        for at in (0..HUGE_PAGE).step_by(SMALL_PAGE) {
            // SAFETY: the byte lies in the mapping, which nobody else knows.
            unsafe { huge.start.as_ptr().add(at).write_volatile(0) };
        }
        Ok(huge)
    }

    /// Itself if it begins where a huge page can; recent kernels choose such a place.
    fn aligned(self) -> Option<Self> {
        (self.start.align_offset(HUGE_PAGE) == 0).then_some(self)
    }

    /// Of a mapping of twice the size, the part where a huge page can be.
    fn aligned_part(self) -> Self {
        let before = self.start.align_offset(HUGE_PAGE);
        // SAFETY: the part lies in the mapping, and what is before and behind it belongs to nobody any more: `self` is forgotten.
        unsafe {
            let part = Self { start: self.start.add(before), bytes: HUGE_PAGE };
            if before > 0 {
                let _ = mm::munmap(self.start.as_ptr().cast(), before);
            }
            if before < HUGE_PAGE {
                let _ = mm::munmap(part.start.as_ptr().add(HUGE_PAGE).cast(), HUGE_PAGE - before);
            }
            std::mem::forget(self);
            part
        }
    }

    fn advise(&self, advice: Advice) {
        // SAFETY: the range is the mapping's, and the advice changes only which pages the kernel takes for it. A kernel
        // without huge pages refuses it, and is right as it is.
        let _ = unsafe { mm::madvise(self.start.as_ptr().cast(), self.bytes, advice) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this object's, and all that was borrowed from it has ended.
        let _ = unsafe { mm::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// A mapping or a part of one, filled from front to back. What is filled does not change until it is cleared, which takes the only
/// owner, so it may be read while more is appended.
pub(super) struct Pages {
    mapping: Rc<Mapping>,
    start: NonNull<u8>,
    bytes: usize,
    filled: Cell<usize>,
}

impl Pages {
    /// Maps `bytes`, more than none, rounded up to whole pages by the kernel: pages of the smallest size, each cleared when it is
    /// first written to.
    ///
    /// # Errors
    /// No memory, or too many mappings (`vm.max_map_count`).
    pub(super) fn map(bytes: usize) -> io::Result<Self> {
        let mapping = Mapping::of(bytes)?;
        mapping.advise(Advice::LinuxNoHugepage);
        Ok(Self { start: mapping.start, mapping: Rc::new(mapping), bytes, filled: Cell::new(0) })
    }

    /// The parts of `mapping` that have `bytes` each.
    pub(super) fn parts(mapping: Mapping, bytes: usize) -> impl Iterator<Item = Self> {
        let mapping = Rc::new(mapping);
        (0..mapping.bytes / bytes).map(move |part| {
            // SAFETY: as many parts as are asked for lie in the mapping, one behind the other.
            let start = unsafe { mapping.start.add(part * bytes) };
            Self { start, mapping: Rc::clone(&mapping), bytes, filled: Cell::new(0) }
        })
    }

    /// True if it is a part of a larger mapping.
    pub(super) fn is_part(&self) -> bool {
        self.bytes < self.mapping.bytes
    }

    /// True if both are parts of one mapping.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.mapping, &other.mapping)
    }

    /// Bytes that it can hold.
    pub(super) fn capacity(&self) -> usize {
        self.bytes
    }

    /// What was appended.
    pub(super) fn filled(&self) -> &[u8] {
        // SAFETY: the first `filled` bytes are mapped and were written, and nothing writes to them while `self` is
        // borrowed: `append` writes behind them, `clear` wants `self` alone, and no other part has them.
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

/// Lets this thread run only while its core has nothing else to do.
pub(super) fn run_when_idle() {
    let any = libc::sched_param { sched_priority: 0 };
    // SAFETY: concerns the calling thread alone, and reads `any`. Whatever forbids it, the work is the same.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &any) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_of_the_runtime_do_not_interrupt() {
        // Of this test alone: others make rings at the same time, but none without the flag.
        let before = COOPERATIVE_RINGS.load(Ordering::Relaxed);
        crate::runtime::executor::run_alone(|| async {}).unwrap();
        assert!(COOPERATIVE_RINGS.load(Ordering::Relaxed) > before, "glommio's rings are set up by its own function again");
    }

    #[test]
    fn the_kernel_sees_few_of_the_timers() {
        let sifted = crate::runtime::executor::run_alone(|| async {
            let mut sifted = 0;
            for _ in 0..100 {
                crate::runtime::task::turn().await;
                sifted += KEPT.with(|kept| kept.borrow().fates.iter().filter(|fate| **fate != Fate::Pass).count());
            }
            sifted
        });
        assert!(sifted.unwrap() > 0, "glommio's rings are submitted to by its own function again");
    }

    #[test]
    fn free_memory_is_kept_unless_the_user_says_otherwise() {
        // SAFETY: reads an option, or sets it to a value that it may have.
        let (get, set) = (|option| unsafe { mi_option_get(option) }, |option, value| unsafe { mi_option_set(option, value) });
        assert_eq!((get(PURGE_DELAY.0), get(MINIMAL_PURGE_SIZE.0)), (PURGE_DELAY.1, MINIMAL_PURGE_SIZE.1), "the defaults of these options, if they are these");
        set(MINIMAL_PURGE_SIZE.0, 64);
        keep_free_memory();
        assert_eq!((get(PURGE_DELAY.0), get(MINIMAL_PURGE_SIZE.0)), (60_000, 64));
    }

    #[test]
    fn huge_pages_lie_where_they_can_and_are_whole() {
        // Odd places, as far as the kernel allows: at most one of the first two is aligned.
        let odd = [Mapping::of(HUGE_PAGE + SMALL_PAGE).unwrap(), Mapping::of(HUGE_PAGE + SMALL_PAGE).unwrap()];
        let parts = odd.map(|_odd| Mapping::of(2 * HUGE_PAGE).unwrap().aligned_part());
        for huge in parts.into_iter().chain([Mapping::cleared().unwrap()]) {
            assert_eq!((huge.start.align_offset(HUGE_PAGE), huge.bytes), (0, HUGE_PAGE));
            let parts: Vec<Pages> = Pages::parts(huge, HUGE_PAGE / 4).collect();
            assert!(parts.len() == 4 && parts.iter().all(|part| part.is_part() && part.is_beside(&parts[0])));
            parts.iter().zip(b"abcd").for_each(|(part, byte)| part.append(&[*byte; HUGE_PAGE / 4]));
            assert!(parts.iter().zip(b"abcd").all(|(part, byte)| part.filled().iter().all(|other| other == byte)));
        }
    }

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
