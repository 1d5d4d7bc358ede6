//! What a process costs, read from /proc: CPU, memory, disk bytes. Only for brokers on this host.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
}

/// Counters of a process at one moment. Those that may not be read are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU seconds since it started, in its own code and in the kernel.
    pub cpu_s: Option<f64>,
    /// Bytes of memory that are resident.
    pub resident_bytes: Option<u64>,
    /// Bytes it caused to be written to storage.
    pub written_bytes: Option<u64>,
    /// Bytes it caused to be read from storage.
    pub read_bytes: Option<u64>,
}

impl Process {
    /// The process that listens on `address`, if it runs on this host and may be looked at.
    pub fn listening_on(address: SocketAddr) -> Option<Self> {
        if !is_local(address.ip()) {
            return None;
        }
        let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok())
            .flat_map(|table| listeners(&table, address.port()))
            .map(|inode| format!("socket:[{inode}]"))
            .collect();
        fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let open = fs::read_dir(entry.path().join("fd")).ok()?;
            let mut links = open.filter_map(Result::ok).filter_map(|file| fs::read_link(file.path()).ok());
            let owns = links.any(|link| link.to_str().is_some_and(|link| inodes.iter().any(|inode| inode == link)));
            owns.then_some(Self { pid })
        })
    }

    /// Reads the counters now.
    pub fn usage(&self) -> Usage {
        let stat = self.read("stat").ok();
        let status = self.read("status").ok();
        let io = self.read("io").ok();
        let field = |text: &Option<String>, name: &str| {
            let line = text.as_ref()?.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim();
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Usage {
            cpu_s: stat.and_then(|stat| cpu_s(&stat)),
            resident_bytes: field(&status, "VmRSS").map(|kib| kib * 1024),
            written_bytes: field(&io, "write_bytes"),
            read_bytes: field(&io, "read_bytes"),
        }
    }

    /// The cores it may run on, as the kernel lists them.
    pub fn cores(&self) -> Option<String> {
        let status = self.read("status").ok()?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        Some(list.trim().to_owned())
    }

    /// Its program and arguments.
    pub fn command(&self) -> Option<String> {
        let raw = fs::read(self.path("cmdline")).ok()?;
        let words: Vec<_> = raw.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        Some(words.join(" ").trim().to_owned())
    }

    /// The version of the program: of corelog, if it is the one that runs this; of Kafka by its server's jar.
    pub fn version(&self, is_corelog: bool) -> Option<String> {
        if is_corelog {
            let theirs = fs::metadata(self.path("exe")).ok()?;
            let ours = fs::metadata("/proc/self/exe").ok()?;
            let same = (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino());
            return same.then(|| env!("CARGO_PKG_VERSION").to_owned());
        }
        let open = fs::read_dir(self.path("fd")).ok()?;
        open.filter_map(Result::ok).filter_map(|file| fs::read_link(file.path()).ok()).find_map(|link| {
            let name = link.file_name()?.to_str()?.strip_prefix("kafka-server-")?;
            name.strip_suffix(".jar").filter(|version| version.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
        })
    }

    fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.pid))
    }

    fn read(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(self.path(file))
    }
}

impl Usage {
    /// What was used since `earlier`; memory is as it is now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Self {
            cpu_s: self.cpu_s.zip(earlier.cpu_s).map(|(now, then)| now - then),
            resident_bytes: self.resident_bytes,
            written_bytes: less(self.written_bytes, earlier.written_bytes),
            read_bytes: less(self.read_bytes, earlier.read_bytes),
        }
    }
}

/// Cores in a kernel list such as `0-3,8`.
pub fn count_cores(list: &str) -> Option<usize> {
    parse_cores(list).ok().map(|cores| cores.len())
}

/// A text that names no cores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no list of cores, such as 1 or 2-3,5")]
pub struct NoCores(String);

/// The cores of a kernel list such as `0-3,8`.
///
/// # Errors
/// It is not one.
pub fn parse_cores(list: &str) -> Result<Vec<usize>, NoCores> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last && last - first <= rustix::thread::CpuSet::MAX_CPU).then_some(first..=last)
    };
    let ranges: Option<Vec<_>> = list.split(',').map(range).collect();
    Ok(ranges.ok_or_else(|| NoCores(list.to_owned()))?.into_iter().flatten().collect())
}

/// As [`parse_cores`]; none of an empty text.
///
/// # Errors
/// As there.
pub fn parse_cores_if_any(list: &str) -> Result<Vec<usize>, NoCores> {
    if list.is_empty() { Ok(Vec::new()) } else { parse_cores(list) }
}

/// Clock ticks in a second of /proc, the same on all Linux architectures that corelog runs on.
const TICKS_PER_S: f64 = 100.0;

/// User and system time of /proc/PID/stat; the name in it may hold any character, so fields are counted from its end.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_S)
}

/// Inodes of the sockets in a table of /proc/net that listen on `port`.
fn listeners(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    let mut found = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else { continue };
        if state == LISTEN && local.ends_with(&suffix) {
            found.push(inode.to_owned());
        }
    }
    found
}

fn is_local(ip: IpAddr) -> bool {
    // A bind succeeds on addresses of this host only.
    ip.is_loopback() || std::net::UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_by_its_port_and_its_work_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = Process::listening_on(listener.local_addr().unwrap()).unwrap();
        assert_eq!(found.pid, std::process::id());
        let before = found.usage();
        let mut sum = 0_u64;
        let until = super::super::clock::now_ns() + 100_000_000;
        while super::super::clock::now_ns() < until {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let used = found.usage().since(&before).cpu_s.unwrap();
        assert!((0.02..1.0).contains(&used), "{used}");
        assert!(found.usage().resident_bytes.unwrap() > 1_000_000);
    }

    #[test]
    fn core_lists_are_read() {
        assert_eq!(parse_cores("0-2,5"), Ok(vec![0, 1, 2, 5]));
        assert_eq!(parse_cores("1"), Ok(vec![1]));
        for none in ["", "2-1", "x", "1,"] {
            assert_eq!(parse_cores(none), Err(NoCores(none.to_owned())));
        }
    }

    #[test]
    fn a_name_with_brackets_and_spaces_hides_nothing() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(cpu_s(stat), Some(3.0));
    }
}
