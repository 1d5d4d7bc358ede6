//! What the host itself can do, measured beside a run: a figure is read as a part of these.
//!
//! Plain programs on blocking threads: direct writes into blocks that were written before, a loopback connection, a copy in
//! memory, a checksum. They take about seven seconds and 512 MiB of disk, and remove what they wrote.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use super::{
    body::Random,
    clock::{SECOND_NS, now_ns},
    environment::{Durability, Storage},
    report::RunReport,
    setup::RunError,
    tally, worker,
};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Bytes that are written over and over.
    pub file_bytes: u64,
    /// Length of each measurement.
    pub length_ns: u64,
}

impl Effort {
    /// What figures need that are to be relied on.
    pub const FULL: Self = Self { file_bytes: 512 << 20, length_ns: SECOND_NS };
}

/// Blocks of the measurement without flushes, and how many are written at once.
const BLOCK_BYTES: usize = 256 << 10;
const WRITERS: u64 = 4;
/// Bytes between flushes.
const FLUSHED_BYTES: usize = 1 << 20;
/// Bytes on their way of a connection that is to stay in the caches.
const SEND_BUFFER_BYTES: usize = 200 << 10;
/// What a direct write is aligned to, and the smallest one.
const PAGE_BYTES: usize = 4096;

/// The ceilings. MB are 10^6 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Ceilings {
    pub storage: Storage,
    /// Absent if the file system takes no direct writes.
    pub device: Option<Device>,
    pub loopback_mb_per_s: f64,
    pub memory_copy_mb_per_s: f64,
    pub crc32c_mb_per_s: f64,
}

/// The device under a folder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Direct writes of 256 KiB, four at once, never flushed.
    pub write_mb_per_s: f64,
    /// Direct writes of 1 MiB, each flushed.
    pub flushed_mb_per_s: f64,
    /// Direct writes of 4 KiB, each flushed, one after the other.
    pub small_per_s: f64,
    /// Their latencies in microseconds.
    pub small_p50_us: f64,
    /// As above.
    pub small_p99_us: f64,
}

/// Measures with `cores` for the device, the copy and the checksum, and `client` for the other end of the connection;
/// empty lists mean any.
///
/// # Errors
/// If the host does not do what is needed.
pub fn measure(folder: &Path, cores: &[usize], client: &[usize], effort: Effort) -> Result<Ceilings, RunError> {
    std::fs::create_dir_all(folder).map_err(RunError::host("make a folder for the ceilings"))?;
    let device = on(cores, || device(folder, effort))?.map_err(RunError::host("measure the device"))?;
    let loopback = loopback(cores, client, effort).map_err(RunError::host("measure the loopback"))?;
    let (copy, crc) = on(cores, || (copy(effort), crc(effort)))?;
    Ok(Ceilings {
        storage: Storage::under(folder),
        device,
        loopback_mb_per_s: loopback,
        memory_copy_mb_per_s: copy,
        crc32c_mb_per_s: crc,
    })
}

impl Ceilings {
    /// In one line.
    pub fn words(&self) -> String {
        let device = self.device.map_or_else(
            || "no direct I/O under the data".to_owned(),
            |device| {
                format!(
                    "device {:.0} MB/s written, {:.0} MB/s with each MiB flushed, {:.0}/s of 4 KiB written and flushed (p50 {:.0} us, p99 {:.0} us)",
                    device.write_mb_per_s, device.flushed_mb_per_s, device.small_per_s, device.small_p50_us, device.small_p99_us
                )
            },
        );
        format!(
            "{device}; loopback {:.0} MB/s, memory copy {:.0} MB/s, CRC-32C {:.0} MB/s",
            self.loopback_mb_per_s, self.memory_copy_mb_per_s, self.crc32c_mb_per_s
        )
    }

    /// What a run reached of each ceiling that is in its way, in percent.
    pub fn shares(&self, report: &RunReport) -> Vec<(&'static str, f64)> {
        let moved = report.produced.mb_per_s + report.fetched.mb_per_s;
        let mut shares = Vec::new();
        if let Some(device) = self.device.filter(|_| report.produced.requests > 0) {
            if report.identity.durability == Durability::Flushed {
                shares.push(("device, each MiB flushed", 100.0 * report.produced.mb_per_s / device.flushed_mb_per_s));
                if report.load.producers * report.load.in_flight == 1 {
                    shares.push(("4 KiB flushed one by one", 100.0 * report.produced.requests_per_s / device.small_per_s));
                }
            }
            shares.push(("device, written", 100.0 * report.produced.mb_per_s / device.write_mb_per_s));
        }
        shares.push(("loopback", 100.0 * moved / self.loopback_mb_per_s));
        shares.push(("memory copy", 100.0 * moved / self.memory_copy_mb_per_s));
        if report.produced.requests > 0 {
            shares.push(("CRC-32C", 100.0 * report.produced.mb_per_s / self.crc32c_mb_per_s));
        }
        shares
    }
}

/// Runs `work` on a thread of its own that is kept on `cores`.
fn on<T: Send>(cores: &[usize], work: impl FnOnce() -> T + Send) -> Result<T, RunError> {
    let body = || {
        worker::pin(cores)?;
        Ok(work())
    };
    let outcome = std::thread::scope(|scope| scope.spawn(body).join());
    let outcome = outcome.map_err(|_| RunError::Broker("a thread that measures the host failed".to_owned()))?;
    outcome.map_err(RunError::host("pin a thread"))
}

/// A buffer that begins at a page.
struct Pages {
    bytes: Vec<u8>,
    from: usize,
}

impl Pages {
    fn new(length: usize) -> Self {
        let mut bytes = vec![0x5a; length + PAGE_BYTES];
        let from = bytes.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
        bytes.truncate(from + length);
        Self { bytes, from }
    }

    fn get(&self) -> &[u8] {
        &self.bytes[self.from..]
    }
}

fn device(folder: &Path, effort: Effort) -> io::Result<Option<Device>> {
    let path = folder.join(format!("corelog-bench-ceiling-{}", std::process::id()));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::DIRECT | OFlags::CLOEXEC;
    let file = match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::INVAL) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let measured = measure_device(&file, effort);
    std::fs::remove_file(&path)?;
    measured.map(Some)
}

fn measure_device(file: &std::fs::File, effort: Effort) -> io::Result<Device> {
    let pages = Pages::new(FLUSHED_BYTES);
    for at in (0..effort.file_bytes).step_by(FLUSHED_BYTES) {
        write_at(file, pages.get(), at)?;
    }
    file.sync_all()?;
    let write_mb_per_s = unflushed(file, effort)?;
    file.sync_data()?;
    let mut at = 0;
    let flushed = rate(effort, || {
        write_at(file, pages.get(), at)?;
        file.sync_data()?;
        at = (at + FLUSHED_BYTES as u64) % effort.file_bytes;
        Ok(())
    })?;
    let mut latencies = tally::histogram();
    let (small, mut at) = (Pages::new(PAGE_BYTES), 0);
    let small_per_s = rate(effort, || {
        let began = now_ns();
        write_at(file, small.get(), at)?;
        file.sync_data()?;
        latencies.saturating_record(now_ns() - began);
        at = (at + PAGE_BYTES as u64) % effort.file_bytes;
        Ok(())
    })?;
    Ok(Device {
        write_mb_per_s,
        flushed_mb_per_s: flushed * FLUSHED_BYTES as f64 / 1e6,
        small_per_s,
        small_p50_us: latencies.value_at_quantile(0.5) as f64 / 1e3,
        small_p99_us: latencies.value_at_quantile(0.99) as f64 / 1e3,
    })
}

/// Several writers, each in its own part of the file.
fn unflushed(file: &std::fs::File, effort: Effort) -> io::Result<f64> {
    let part = effort.file_bytes / WRITERS;
    let writer = |first: u64| {
        let (block, mut at) = (Pages::new(BLOCK_BYTES), 0);
        rate(effort, || {
            write_at(file, block.get(), first + at)?;
            at = (at + BLOCK_BYTES as u64) % part;
            Ok(())
        })
    };
    let rates = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS).map(|at| scope.spawn(move || writer(at * part))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed"))));
        joined.sum::<io::Result<f64>>()
    })?;
    Ok(rates * BLOCK_BYTES as f64 / 1e6)
}

fn write_at(file: &std::fs::File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

/// How often a second `work` is done.
fn rate(effort: Effort, mut work: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let began = now_ns();
    let mut count = 0_u64;
    loop {
        work()?;
        count += 1;
        let passed = now_ns() - began;
        if passed >= effort.length_ns {
            return Ok(count as f64 * SECOND_NS as f64 / passed as f64);
        }
    }
}

/// From a client's core to the broker's: with as much on its way as the kernel sees fit, or with little, which stays in the caches.
fn loopback(cores: &[usize], client: &[usize], effort: Effort) -> io::Result<f64> {
    let free = loopback_with(None, cores, client, effort)?;
    Ok(free.max(loopback_with(Some(SEND_BUFFER_BYTES), cores, client, effort)?))
}

/// In pieces of 256 KiB.
fn loopback_with(send_buffer_bytes: Option<usize>, cores: &[usize], client: &[usize], effort: Effort) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = TcpStream::connect(listener.local_addr()?)?;
    if let Some(bytes) = send_buffer_bytes {
        rustix::net::sockopt::set_socket_send_buffer_size(&out, bytes)?;
    }
    let (mut into, _) = listener.accept()?;
    let send = move || -> io::Result<()> {
        worker::pin(client)?;
        let piece = vec![0x5a; BLOCK_BYTES];
        let until = now_ns() + effort.length_ns;
        while now_ns() < until {
            out.write_all(&piece)?;
        }
        Ok(())
    };
    let receive = move || -> io::Result<f64> {
        worker::pin(cores)?;
        let mut piece = vec![0; BLOCK_BYTES];
        let (began, mut bytes) = (now_ns(), 0_u64);
        loop {
            match into.read(&mut piece)? {
                0 => break,
                count => bytes += count as u64,
            }
        }
        Ok(bytes as f64 / 1e6 * SECOND_NS as f64 / (now_ns() - began).max(1) as f64)
    };
    std::thread::scope(|scope| {
        let (sender, receiver) = (scope.spawn(send), scope.spawn(receive));
        sender.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed")))?;
        receiver.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed")))
    })
}

/// Between two buffers that no cache holds.
fn copy(effort: Effort) -> f64 {
    const BYTES: usize = 64 << 20;
    let from = vec![1_u8; BYTES];
    let mut to = vec![0_u8; BYTES];
    let rate = rate(effort, || {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&to);
        Ok(())
    });
    rate.unwrap_or_default() * BYTES as f64 / 1e6
}

/// Over 64 KiB, as a batch that was just received.
fn crc(effort: Effort) -> f64 {
    const BYTES: usize = 64 << 10;
    let mut random = Random(7);
    let bytes: Vec<u8> = (0..BYTES / 8).flat_map(|_| random.bits().to_le_bytes()).collect();
    let rate = rate(effort, || {
        std::hint::black_box(crc32c::crc32c(std::hint::black_box(&bytes)));
        Ok(())
    });
    rate.unwrap_or_default() * BYTES as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_ceilings_and_keeps_nothing_of_their_measurement() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let found = measure(folder.path(), &[], &[], Effort { file_bytes: 16 << 20, length_ns: SECOND_NS / 20 }).unwrap();
        assert!(found.loopback_mb_per_s > 10.0 && found.memory_copy_mb_per_s > 100.0 && found.crc32c_mb_per_s > 10.0, "{found:?}");
        let device = found.device.unwrap();
        assert!(device.write_mb_per_s > 1.0 && device.flushed_mb_per_s > 1.0 && device.small_p99_us >= device.small_p50_us);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
