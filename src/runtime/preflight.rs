//! What this machine offers, looked at before anything starts: a table for the operator, and plain words where something
//! is missing.
//!
//! Runs on the main thread, in a few milliseconds. Also raises the soft limits as far as the hard ones allow.

use std::{
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, OFlags, StatxFlags},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use super::{executor::allowed_cpus, sys};
use crate::types::limits::{DISK_RESERVE_BYTES, IO_ALIGNMENT};

/// Locked memory in bytes that glommio's rings need for each shard.
const MEMLOCK_BYTES_PER_SHARD: u64 = 512 << 10;
/// Open files below which many partitions or connections will fail.
const NOFILE_WANTED: u64 = 65_536;
/// Oldest kernel (major, minor) whose io_uring has what glommio needs.
const KERNEL_MIN: (u32, u32) = (5, 8);

/// How good a finding is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// The broker works, with this drawback.
    Drawback(String),
    /// The broker cannot work; what to do about it.
    Refused(String),
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// What was found.
    pub value: String,
    /// What that means.
    pub verdict: Verdict,
}

/// Looks at the machine for so many shards with data in these folders, which must be there.
pub fn look(shards: usize, directories: &[PathBuf]) -> Vec<Finding> {
    let mut findings = vec![kernel(), io_uring(), memlock(shards), nofile(), cores(shards)];
    findings.extend(cpu_quota(shards));
    for directory in directories {
        findings.push(direct_io(directory));
    }
    findings
}

fn finding(name: &'static str, value: impl Into<String>, verdict: Verdict) -> Finding {
    Finding { name, value: value.into(), verdict }
}

fn kernel() -> Finding {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let verdict = if version < KERNEL_MIN {
        Verdict::Refused(format!("Linux {}.{} or newer is needed; 6.1 or newer is recommended", KERNEL_MIN.0, KERNEL_MIN.1))
    } else if version < (6, 1) {
        Verdict::Drawback("6.1 or newer is recommended".to_owned())
    } else {
        Verdict::Good
    };
    finding("kernel", release, verdict)
}

fn io_uring() -> Finding {
    match sys::try_io_uring() {
        Ok(()) => finding("io_uring", "allowed", Verdict::Good),
        Err(error) => finding("io_uring", "refused", Verdict::Refused(io_uring_advice(&error))),
    }
}

fn io_uring_advice(error: &io::Error) -> String {
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    match error.kind() {
        io::ErrorKind::PermissionDenied if disabled.trim() != "0" && !disabled.is_empty() => {
            format!("kernel.io_uring_disabled is {}: set it to 0 (sysctl -w kernel.io_uring_disabled=0)", disabled.trim())
        }
        io::ErrorKind::PermissionDenied => "a seccomp filter forbids it, as Docker's default profile does: \
            allow io_uring_setup, io_uring_enter and io_uring_register (docker run --security-opt seccomp=PROFILE)"
            .to_owned(),
        io::ErrorKind::OutOfMemory => "locked memory is short: raise it (ulimit -l, LimitMEMLOCK=infinity)".to_owned(),
        _ => format!("this kernel has no io_uring ({error})"),
    }
}

/// Raises the soft limit to the hard one; the soft limit then, `None` if there is none.
fn raise(resource: Resource) -> Option<u64> {
    let limit = getrlimit(resource);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum && setrlimit(resource, raised).is_ok() {
        return limit.maximum;
    }
    limit.current
}

fn memlock(shards: usize) -> Finding {
    let needed = MEMLOCK_BYTES_PER_SHARD * shards as u64;
    match raise(Resource::Memlock) {
        None => finding("memlock", "unlimited", Verdict::Good),
        Some(bytes) if bytes >= needed => finding("memlock", format!("{} KiB", bytes >> 10), Verdict::Good),
        Some(bytes) => {
            let advice =
                format!("{shards} shards need {} KiB: raise it (ulimit -l, LimitMEMLOCK=infinity) or lower corelog.cores", needed >> 10);
            finding("memlock", format!("{} KiB", bytes >> 10), Verdict::Refused(advice))
        }
    }
}

fn nofile() -> Finding {
    match raise(Resource::Nofile) {
        Some(files) if files < NOFILE_WANTED => {
            let drawback = format!("many partitions or connections need more: raise it to {NOFILE_WANTED} (ulimit -n, LimitNOFILE)");
            finding("nofile", files.to_string(), Verdict::Drawback(drawback))
        }
        files => finding("nofile", files.map_or("unlimited".to_owned(), |files| files.to_string()), Verdict::Good),
    }
}

fn cores(shards: usize) -> Finding {
    let allowed = allowed_cpus().map(|cpus| cpus.len()).unwrap_or(0);
    let value = format!("{shards} of {allowed}");
    if shards > allowed {
        let drawback = "several shards share a core: lower corelog.cores".to_owned();
        return finding("cores", value, Verdict::Drawback(drawback));
    }
    finding("cores", value, Verdict::Good)
}

/// What the control group of a container allows, if that is less than the shards can use.
fn cpu_quota(shards: usize) -> Option<Finding> {
    let text = std::fs::read_to_string("/sys/fs/cgroup/cpu.max").ok()?;
    let (quota_us, period_us) = parse_quota(&text)?;
    let value = format!("{quota_us} of every {period_us} us");
    let enough = quota_us >= period_us.saturating_mul(shards as u64);
    let drawback = "the control group stops all shards when it is used up, whatever they are doing: \
        give whole cores (docker run --cpuset-cpus) or lower corelog.cores";
    let verdict = if enough { Verdict::Good } else { Verdict::Drawback(drawback.to_owned()) };
    Some(finding("CPU quota", value, verdict))
}

/// `cpu.max` of a control group: microseconds of CPU in each period; `None` if there is no bound.
fn parse_quota(text: &str) -> Option<(u64, u64)> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some((quota.parse().ok()?, period.parse().ok().filter(|period| *period > 0)?))
}

fn direct_io(directory: &Path) -> Finding {
    let shown = directory.display();
    let kind = rustix::fs::statfs(directory).map_or("unknown", |stat| filesystem(stat.f_type));
    let free = rustix::fs::statvfs(directory).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let value = format!("{shown} ({kind}, {} MiB free)", free >> 20);
    if kind == "tmpfs" {
        return finding("data", value, Verdict::Drawback("memory, not a disk: direct I/O is off and nothing outlives a restart".to_owned()));
    }
    let alignment = match try_direct_io(directory) {
        Ok(alignment) => alignment,
        Err(error) => return finding("data", value, Verdict::Refused(direct_io_advice(&error))),
    };
    let value = alignment.map_or(format!("{value}, direct I/O"), |bytes| format!("{value}, direct I/O of {bytes} bytes"));
    if alignment.is_some_and(|bytes| !(IO_ALIGNMENT as u64).is_multiple_of(u64::from(bytes))) {
        let advice = format!("direct I/O happens in blocks of {IO_ALIGNMENT} bytes here: use another device (log.dirs)");
        return finding("data", value, Verdict::Refused(advice));
    }
    if free < DISK_RESERVE_BYTES as u64 {
        let drawback = format!("under {} MiB, unless set otherwise, produces are refused (corelog.disk.reserve.bytes)", DISK_RESERVE_BYTES >> 20);
        return finding("data", value, Verdict::Drawback(drawback));
    }
    finding("data", value, Verdict::Good)
}

fn direct_io_advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!("not writable for this user ({error}): change its owner (chown) or use another (log.dirs)"),
        io::ErrorKind::ReadOnlyFilesystem => "mounted read-only: mount it writable or use another folder (log.dirs)".to_owned(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "full: not even an empty file can be made; make room or add a folder (log.dirs)".to_owned(),
        io::ErrorKind::InvalidInput => "this file system has no direct I/O: use a folder on ext4 or XFS (log.dirs)".to_owned(),
        _ => format!("a file for direct I/O cannot be opened ({error}): use a folder on ext4 or XFS (log.dirs)"),
    }
}

/// Opens a file for direct I/O and removes it again; the alignment in bytes that the kernel asks for, if it tells
/// (Linux 6.1).
fn try_direct_io(directory: &Path) -> io::Result<Option<u32>> {
    let path = directory.join("corelog.preflight");
    let flags = i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?;
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).custom_flags(flags).open(&path);
    let alignment = opened.map(|file| {
        let stat = rustix::fs::statx(&file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok()?;
        let told = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::DIOALIGN);
        told.then(|| stat.stx_dio_offset_align.max(stat.stx_dio_mem_align)).filter(|bytes| *bytes > 0)
    });
    // There is a file even where opening it failed: the flag is looked at last.
    let removed = std::fs::remove_file(&path);
    let alignment = alignment?;
    removed?;
    Ok(alignment)
}

/// Names of the file systems that people keep data on, by their magic number (statfs(2)).
fn filesystem(magic: rustix::fs::FsWord) -> &'static str {
    match magic {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x6969 => "nfs",
        0x2fc1_2fc1 => "zfs",
        _ => "other",
    }
}

const _: () = assert!(IO_ALIGNMENT.is_multiple_of(512), "direct I/O needs whole sectors");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_run_a_shard() {
        let findings = look(1, &[PathBuf::from(env!("CARGO_MANIFEST_DIR"))]);
        let refused: Vec<_> = findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Refused(_))).collect();
        assert!(refused.is_empty(), "{refused:?}");
        assert!(!Path::new(env!("CARGO_MANIFEST_DIR")).join("corelog.preflight").exists());
    }

    #[test]
    fn a_folder_that_is_not_there_is_refused() {
        let found = direct_io(Path::new("/no/such/folder"));
        assert!(matches!(&found.verdict, Verdict::Refused(advice) if advice.contains("log.dirs")), "{found:?}");
    }

    #[test]
    fn a_quota_is_read_as_the_kernel_writes_it() {
        assert_eq!(parse_quota("150000 100000\n"), Some((150_000, 100_000)));
        assert_eq!([parse_quota("max 100000\n"), parse_quota(""), parse_quota("1 0")], [None; 3]);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let advice = io_uring_advice(&io::Error::from_raw_os_error(38));
        assert!(advice.contains("no io_uring"), "{advice}");
        assert!(io_uring_advice(&io::ErrorKind::OutOfMemory.into()).contains("ulimit -l"));
    }
}
