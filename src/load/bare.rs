//! What the device alone does of a load, with no broker in between: the writes and flushes that are left for one that keeps each
//! partition in files of its own, on files whose blocks were all written before. The ceiling of every durable figure.
//!
//! One executor of the runtime on the broker's core, because sixteen writes at once need a ring; all else of the harness does
//! without it. Takes some three seconds and 512 MiB of disk for each shape of load, and removes what it wrote.

use std::{
    cell::{Cell, RefCell},
    io,
    path::Path,
    rc::Rc,
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::{
    runtime::{
        buffer::{AlignedBuf, SharedBuf},
        executor::{SENTINEL, ShardThreads, allowed_cpus},
        file::{DirectFile, OpenMode},
        task,
    },
    types::limits::IO_ALIGNMENT,
};

use super::{
    ceiling::Effort,
    clock::{SECOND_NS, now_ns},
    plan::{Mode, Plan},
    setup::RunError,
    tally,
};

/// More files than that change nothing.
const FILES_MAX: usize = 1024;
/// Bytes in flight; more of them change nothing either, and would take gigabytes.
const IN_FLIGHT_BYTES_MAX: usize = 64 << 20;
/// Bytes of one write when the files are filled.
const FILL_BYTES: usize = 256 << 10;
/// Writes that a file has room for at least, before one comes where another was.
const WRITES_MIN: u64 = 8;

/// A load as a device sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Partitions.
    pub files: usize,
    /// Bytes of one request, of one partition.
    pub request_bytes: usize,
    /// Requests that wait for their answers at a time.
    pub in_flight: usize,
}

impl Shape {
    /// Of a plan; `None` if it writes nothing.
    pub fn of(plan: &Plan) -> Option<Self> {
        let files = usize::try_from(plan.partitions).unwrap_or(1).clamp(1, FILES_MAX);
        // At a rate that is held, what comes finds nothing in its way: one at a time is the best that can happen to it.
        let in_flight = if plan.arrivals.is_some() { 1 } else { plan.producers * plan.in_flight };
        let request_bytes = plan.shape.batch_bytes;
        let in_flight = in_flight.min(IN_FLIGHT_BYTES_MAX / request_bytes.max(1)).max(1);
        (plan.mode != Mode::Fetch).then_some(Self { files, request_bytes, in_flight })
    }

    /// Bytes of the writes that `requests` make if they come together: one write for each partition.
    fn writes(self, requests: usize) -> Vec<usize> {
        let files = self.files.min(requests).max(1);
        let of = |file: usize| requests / files + usize::from(file < requests % files);
        (0..files).map(|file| (of(file) * self.request_bytes).next_multiple_of(IO_ALIGNMENT)).collect()
    }
}

/// What the device did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bare {
    /// What for.
    pub shape: Shape,
    /// Requests a second: all in flight written together and then flushed, or in two halves that take turns, whichever is more.
    pub requests_per_s: f64,
    /// Milliseconds for a write and the flush behind it, where there is one at a time.
    pub latency: Option<Latency>,
}

impl Bare {
    /// The same requests in MB (10^6 bytes) a second.
    pub fn mb_per_s(&self) -> f64 {
        self.requests_per_s * self.shape.request_bytes as f64 / 1e6
    }
}

/// Of one request at a time, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// Measures under `folder`, on the first of `cores`; on any if there are none.
///
/// # Errors
/// If the host does not do what is needed.
pub fn measure(folder: &Path, cores: &[usize], shape: Shape, effort: Effort) -> Result<Bare, RunError> {
    let at = folder.join(format!("corelog-bench-bare-{}", std::process::id()));
    let measured = measure_in(&at, cores, shape, effort);
    let removed = std::fs::remove_dir_all(&at);
    let bare = measured.map_err(RunError::host("measure the device without a broker"))?;
    removed.map_err(RunError::host("remove what was measured with"))?;
    Ok(bare)
}

fn measure_in(folder: &Path, cores: &[usize], shape: Shape, effort: Effort) -> io::Result<Bare> {
    std::fs::create_dir_all(folder)?;
    let core = match cores.first() {
        Some(core) => *core,
        None => *allowed_cpus()?.first().ok_or_else(|| io::Error::other("no core may be used"))?,
    };
    let threads = ShardThreads { cpus: vec![core], directories: vec![folder.to_owned()], ..ShardThreads::default() };
    let folder = folder.to_owned();
    let running = threads.start(move |_| {
        let folder = folder.clone();
        async move {
            let device = Device::prepare(&folder, shape, effort).await?;
            let halves = if shape.in_flight < 2 { None } else { Some(device.rate(2, effort).await?) };
            let whole = device.rate(1, effort).await?;
            let requests_per_s = halves.map_or(whole, |halves| halves.max(whole));
            let ms = |quantile: f64| device.latencies.borrow().value_at_quantile(quantile) as f64 / 1e6;
            let latency = (shape.in_flight == 1).then(|| Latency { p50_ms: ms(0.5), p99_ms: ms(0.99) });
            Ok(Bare { shape, requests_per_s, latency })
        }
    })?;
    running.join()?.pop().unwrap_or_else(|| Err(io::Error::other("nothing was measured")))
}

/// The files of all partitions, filled.
struct Device {
    shape: Shape,
    files: Vec<DirectFile>,
    file_bytes: u64,
    /// Where each file is written next.
    ends: Vec<Cell<u64>>,
    /// The next file of a group that has not as many requests as there are files.
    next: Cell<usize>,
    /// Nobody writes to it: its flush is the device's alone.
    flushed: DirectFile,
    /// Nanoseconds from the first write of a group to the end of its flush.
    latencies: RefCell<Histogram<u64>>,
}

impl Device {
    async fn prepare(folder: &Path, shape: Shape, effort: Effort) -> io::Result<Rc<Self>> {
        let largest = shape.writes(shape.in_flight).into_iter().max().unwrap_or(IO_ALIGNMENT) as u64;
        let fill = AlignedBuf::build(FILL_BYTES, |filler| filler.put(&[0x5a; FILL_BYTES])).freeze();
        let file_bytes = (effort.file_bytes / shape.files as u64).max(WRITES_MIN * largest).next_multiple_of(FILL_BYTES as u64);
        let mut files = Vec::with_capacity(shape.files);
        for number in 0..shape.files {
            let file = DirectFile::open(&folder.join(number.to_string()), OpenMode::CreateNew).await?;
            for at in (0..file_bytes).step_by(FILL_BYTES) {
                file.write_at(at, fill.clone()).await?;
            }
            file.sync_data().await?;
            files.push(file);
        }
        let flushed = DirectFile::open(&folder.join(SENTINEL), OpenMode::Read).await?;
        let ends = files.iter().map(|_| Cell::new(0)).collect();
        Ok(Rc::new(Self { shape, files, file_bytes, ends, next: Cell::new(0), flushed, latencies: tally::histogram().into() }))
    }

    /// Requests a second with all that is in flight in so many groups, each written and flushed again and again.
    async fn rate(self: &Rc<Self>, groups: usize, effort: Effort) -> io::Result<f64> {
        let requests = self.shape.in_flight / groups;
        let began = now_ns();
        let until = began + effort.length_ns;
        let group = |_| {
            let device = Rc::clone(self);
            task::spawn("group", async move { device.group(requests, groups == 1, until).await })
        };
        let tasks: Vec<_> = (0..groups).map(group).collect();
        let mut rounds = 0;
        for group in tasks {
            rounds += group.await.unwrap_or_else(|_| Err(io::Error::other("a group panicked")))?;
        }
        Ok((rounds * requests as u64) as f64 * SECOND_NS as f64 / (now_ns() - began) as f64)
    }

    /// Writes and flushes one group until its time is over; how often it did. Where nobody else does anything, it waits in place.
    async fn group(self: &Rc<Self>, requests: usize, alone: bool, until: u64) -> io::Result<u64> {
        let filled = |bytes: usize| AlignedBuf::build(bytes, |filler| filler.put(&vec![0xa5; bytes])).freeze();
        let buffers: Vec<SharedBuf> = self.shape.writes(requests).into_iter().map(filled).collect();
        let (mut rounds, mut began) = (0, now_ns());
        while began < until {
            match &buffers[..] {
                [buffer] if alone => {
                    let (file, position) = self.place(buffer);
                    self.files[file].write_at_in_place(position, buffer)?;
                }
                _ => self.write(&buffers).await?,
            }
            if alone {
                self.flushed.sync_data_in_place()?;
            } else {
                self.flushed.sync_data().await?;
            }
            let ended = now_ns();
            self.latencies.borrow_mut().saturating_record(ended - began);
            began = ended;
            rounds += 1;
        }
        Ok(rounds)
    }

    /// All at once, each into a file of its own.
    async fn write(self: &Rc<Self>, buffers: &[SharedBuf]) -> io::Result<()> {
        let write = |buffer: &SharedBuf| {
            let (file, position) = self.place(buffer);
            let (device, buffer) = (Rc::clone(self), buffer.clone());
            task::spawn("write", async move { device.files[file].write_at(position, buffer).await })
        };
        let writes: Vec<_> = buffers.iter().map(write).collect();
        for written in writes {
            written.await.unwrap_or_else(|_| Err(io::Error::other("a write panicked")))?;
        }
        Ok(())
    }

    /// The file that is written next, and where: behind the last write, at the end of the file from its beginning again.
    fn place(&self, buffer: &SharedBuf) -> (usize, u64) {
        let file = self.next.replace((self.next.get() + 1) % self.files.len());
        let bytes = buffer.len() as u64;
        let end = self.ends[file].get();
        let position = if end + bytes <= self.file_bytes { end } else { 0 };
        self.ends[file].set(position + bytes);
        (file, position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_as_many_writes_as_it_has_partitions() {
        let shape = Shape { files: 16, request_bytes: 1000, in_flight: 40 };
        let writes = shape.writes(40);
        assert_eq!((writes.len(), writes[0], writes[15]), (16, 3000_usize.next_multiple_of(IO_ALIGNMENT), 2000_usize.next_multiple_of(IO_ALIGNMENT)));
        assert_eq!(shape.writes(3), [1000_usize.next_multiple_of(IO_ALIGNMENT); 3]);
        assert_eq!(Shape { files: 1, ..shape }.writes(40), [40_000_usize.next_multiple_of(IO_ALIGNMENT)]);
    }

    #[test]
    fn the_device_does_it_and_nothing_is_left() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let effort = Effort { file_bytes: 8 << 20, length_ns: SECOND_NS / 20 };
        let many = measure(folder.path(), &[], Shape { files: 4, request_bytes: 5000, in_flight: 8 }, effort).unwrap();
        assert!(many.requests_per_s > 16.0 && many.latency.is_none(), "{many:?}");
        assert!((many.mb_per_s() - many.requests_per_s * 5e-3).abs() < 1e-6, "{many:?}");
        let one = measure(folder.path(), &[], Shape { files: 1, request_bytes: 5000, in_flight: 1 }, effort).unwrap();
        assert!(one.latency.is_some_and(|latency| 0.0 < latency.p50_ms && latency.p50_ms <= latency.p99_ms), "{one:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
