//! What the device alone does of a load, with no broker in between: the writes and flushes that are left for one that keeps each
//! partition in files of its own. The ceiling of every durable figure.
//!
//! Files whose blocks were all written before are the best that there is; a log that grows finds them only where it has deleted
//! something. So new files are measured besides, in each of the ways that there are to make what is written into them durable.
//!
//! One executor of the runtime on the broker's core, because sixteen writes at once need a ring; all else of the harness does
//! without it. Takes up to fifteen seconds and 1 GiB of disk for each shape of load, and removes what it wrote.

use std::{
    cell::{Cell, RefCell},
    fs::File,
    io,
    path::{Path, PathBuf},
    rc::Rc,
};

use hdrhistogram::Histogram;
use rustix::{
    fs::{FallocateFlags, fallocate, syncfs},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use crate::{
    runtime::{
        buffer::{AlignedBuf, SharedBuf},
        executor::{SENTINEL, ShardThreads, allowed_cpus},
        file::{DirectFile, OpenMode},
        fs, task,
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
/// Most bytes of one write of zeroes.
const ZERO_BYTES: usize = 1 << 20;

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
    /// Requests a second into blocks that were written before: all in flight written together and then flushed, or in two halves
    /// that take turns, whichever is more.
    pub requests_per_s: f64,
    /// The same into new files; absent where there is one request at a time, which leaves time to prepare them.
    pub new_files: Option<NewFiles>,
    /// Milliseconds for a write and the flush behind it, where there is one at a time.
    pub latency: Option<Latency>,
}

impl Bare {
    /// So many of these requests a second in MB (10^6 bytes) a second.
    pub fn mb_per_s(&self, requests_per_s: f64) -> f64 {
        requests_per_s * self.shape.request_bytes as f64 / 1e6
    }
}

/// Requests a second into files that grow, by what makes it durable that their blocks are in use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewFiles {
    /// The blocks got zeroes before: as many bytes of zeroes are written besides, and the device is flushed.
    pub zeroed: f64,
    /// The blocks were only allocated: each file is flushed, all at once.
    pub each_flushed: f64,
    /// The same, but the whole file system is flushed, and the device behind it: for whoever has the file system alone.
    pub all_flushed: f64,
}

impl NewFiles {
    /// In the best of these ways.
    pub fn best(&self) -> f64 {
        self.zeroed.max(self.each_flushed).max(self.all_flushed)
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
            let requests_per_s = device.best_rate(Ground::Written, effort).await?;
            let ms = |quantile: f64| device.latencies.borrow().value_at_quantile(quantile) as f64 / 1e6;
            let latency = (shape.in_flight == 1).then(|| Latency { p50_ms: ms(0.5), p99_ms: ms(0.99) });
            let mut new_files = None;
            if shape.in_flight > 1 {
                let zeroed = device.best_rate(Ground::Zeroed, effort).await?;
                let each_flushed = device.best_rate(Ground::FlushedEach, effort).await?;
                let all_flushed = device.best_rate(Ground::FlushedTogether, effort).await?;
                new_files = Some(NewFiles { zeroed, each_flushed, all_flushed });
            }
            Ok(Bare { shape, requests_per_s, new_files, latency })
        }
    })?;
    running.join()?.pop().unwrap_or_else(|| Err(io::Error::other("nothing was measured")))
}

/// What is written into, and by what it becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    /// Blocks that were written before, again and again; the device is flushed.
    Written,
    /// The same, and as many zeroes go into a new file, which would be the ground of later writes.
    Zeroed,
    /// Blocks that are allocated and were never written, while there are any; each file is flushed.
    FlushedEach,
    /// The same; the file system is flushed, and the device behind it.
    FlushedTogether,
}

impl Ground {
    fn is_written(self) -> bool {
        matches!(self, Self::Written | Self::Zeroed)
    }
}

/// The files of all partitions.
struct Device {
    shape: Shape,
    files: Vec<GroundFile>,
    /// It gets zeroes.
    zeroes: GroundFile,
    /// What is measured now.
    ground: Cell<Ground>,
    /// The next file of a group that has not as many requests as there are files.
    next: Cell<usize>,
    /// Nobody writes to it: its flush is the device's alone.
    flushed: DirectFile,
    /// Any file of the file system.
    folder: File,
    /// Nanoseconds from the first write of a group to the end of its flush.
    latencies: RefCell<Histogram<u64>>,
}

/// A file that is written from its beginning to its end.
struct GroundFile {
    file: DirectFile,
    path: PathBuf,
    bytes: u64,
    /// Where it is written next.
    end: Cell<u64>,
}

impl GroundFile {
    async fn create(path: PathBuf, bytes: u64) -> io::Result<Self> {
        let file = DirectFile::open(&path, OpenMode::CreateNew).await?;
        Ok(Self { file, path, bytes, end: Cell::new(0) })
    }

    /// It has its size, and nothing of it has been written (any more); its blocks are allocated, if the file system can do that.
    async fn renew(&self) -> io::Result<()> {
        let file = File::options().write(true).open(&self.path)?;
        file.set_len(0)?;
        match fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
            Err(Errno::OPNOTSUPP) => file.set_len(self.bytes)?,
            allocated => allocated?,
        }
        self.end.set(0);
        self.file.sync_data().await
    }

    /// Writes all of it.
    async fn fill(&self) -> io::Result<()> {
        let fill = AlignedBuf::build(FILL_BYTES, |filler| filler.put(&[0x5a; FILL_BYTES])).freeze();
        for at in (0..self.bytes).step_by(FILL_BYTES) {
            self.file.write_at(at, fill.clone()).await?;
        }
        self.file.sync_data().await
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.end.get() + bytes <= self.bytes
    }

    /// Where so many bytes go: behind the last write, at the end of the file from its beginning again.
    fn place(&self, bytes: u64) -> u64 {
        let position = if self.has_room(bytes) { self.end.get() } else { 0 };
        self.end.set(position + bytes);
        position
    }
}

impl Device {
    async fn prepare(folder: &Path, shape: Shape, effort: Effort) -> io::Result<Rc<Self>> {
        let largest = shape.writes(shape.in_flight).into_iter().max().unwrap_or(IO_ALIGNMENT) as u64;
        let bytes = |share: u64, least: u64| share.max(least).next_multiple_of(FILL_BYTES as u64);
        let mut files = Vec::with_capacity(shape.files);
        for number in 0..shape.files {
            let file = GroundFile::create(folder.join(number.to_string()), bytes(effort.file_bytes / shape.files as u64, WRITES_MIN * largest)).await?;
            file.renew().await?;
            file.fill().await?;
            files.push(file);
        }
        let group_bytes = shape.writes(shape.in_flight).into_iter().sum::<usize>() as u64;
        Ok(Rc::new(Self {
            shape,
            files,
            zeroes: GroundFile::create(folder.join("zeroes"), bytes(effort.file_bytes, WRITES_MIN * group_bytes)).await?,
            ground: Cell::new(Ground::Written),
            next: Cell::new(0),
            flushed: DirectFile::open(&folder.join(SENTINEL), OpenMode::Read).await?,
            folder: File::open(folder)?,
            latencies: tally::histogram().into(),
        }))
    }

    /// Requests a second with all in flight in two groups that take turns or in one, whichever is more.
    async fn best_rate(self: &Rc<Self>, ground: Ground, effort: Effort) -> io::Result<f64> {
        self.ground.set(ground);
        let mut best = 0.0;
        for groups in (1..=self.shape.in_flight.min(2)).rev() {
            let new: &[GroundFile] = match ground {
                Ground::Written => &[],
                Ground::Zeroed => std::slice::from_ref(&self.zeroes),
                Ground::FlushedEach | Ground::FlushedTogether => &self.files,
            };
            for file in new {
                file.renew().await?;
            }
            best = self.rate(groups, effort).await?.max(best);
        }
        Ok(best)
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
        let rounds: u64 = joined(tasks).await?.into_iter().sum();
        Ok((rounds * requests as u64) as f64 * SECOND_NS as f64 / (now_ns() - began) as f64)
    }

    /// Writes and flushes one group until its time is over or new blocks are used up; how often it did. Where nobody else does
    /// anything, it waits in place.
    async fn group(self: &Rc<Self>, requests: usize, alone: bool, until: u64) -> io::Result<u64> {
        let filled = |bytes: usize| AlignedBuf::build(bytes, |filler| filler.put(&vec![0xa5; bytes])).freeze();
        let buffers: Vec<SharedBuf> = self.shape.writes(requests).into_iter().map(filled).collect();
        let zeroed_bytes = if self.ground.get() == Ground::Zeroed { total_bytes(&buffers) } else { 0 };
        let zeroes: Vec<_> = (0..zeroed_bytes).step_by(ZERO_BYTES).map(|at| AlignedBuf::zeroed(ZERO_BYTES.min(zeroed_bytes - at)).freeze()).collect();
        let (mut rounds, mut began) = (0, now_ns());
        while began < until
            && self.zeroes.has_room(zeroed_bytes as u64)
            && let Some(places) = self.places(&buffers)
        {
            match (&buffers[..], &places[..]) {
                ([buffer], [(file, position)]) if alone && self.ground.get() == Ground::Written => {
                    self.files[*file].file.write_at_in_place(*position, buffer)?;
                }
                _ => self.write(&buffers, &places, &zeroes).await?,
            }
            self.flush(&places, alone).await?;
            let ended = now_ns();
            self.latencies.borrow_mut().saturating_record(ended - began);
            began = ended;
            rounds += 1;
        }
        Ok(rounds)
    }

    /// All at once, each into a file of its own, and the zeroes besides.
    async fn write(self: &Rc<Self>, buffers: &[SharedBuf], places: &[(usize, u64)], zeroes: &[SharedBuf]) -> io::Result<()> {
        let write = |(buffer, (file, position)): (&SharedBuf, &(usize, u64))| {
            let (file, position, buffer) = (self.files[*file].file.clone(), *position, buffer.clone());
            task::spawn("write", async move { file.write_at(position, buffer).await })
        };
        let mut writes: Vec<_> = buffers.iter().zip(places).map(write).collect();
        if !zeroes.is_empty() {
            let (device, zeroes) = (Rc::clone(self), zeroes.to_vec());
            writes.push(task::spawn("zeroes", async move { device.write_zeroes(zeroes).await }));
        }
        joined(writes).await.map(drop)
    }

    async fn flush(&self, places: &[(usize, u64)], alone: bool) -> io::Result<()> {
        match self.ground.get() {
            Ground::FlushedEach => {
                let flush = |(file, _): &(usize, u64)| {
                    let file = self.files[*file].file.clone();
                    task::spawn("flush", async move { file.sync_data().await })
                };
                return joined(places.iter().map(flush).collect()).await.map(drop);
            }
            Ground::FlushedTogether if alone => syncfs(&self.folder)?,
            Ground::FlushedTogether => {
                let folder = self.folder.try_clone()?;
                fs::blocking(move || Ok(syncfs(&folder)?)).await?;
            }
            Ground::Written | Ground::Zeroed => {}
        }
        if alone { self.flushed.sync_data_in_place() } else { self.flushed.sync_data().await }
    }

    /// For each of the writes of a group the file that is next, and where. `None` if there is no new ground any more.
    fn places(&self, buffers: &[SharedBuf]) -> Option<Vec<(usize, u64)>> {
        let ground = self.ground.get();
        let place = |buffer: &SharedBuf| {
            let number = self.next.replace((self.next.get() + 1) % self.files.len());
            let (file, bytes) = (&self.files[number], buffer.len() as u64);
            (ground.is_written() || file.has_room(bytes)).then(|| (number, file.place(bytes)))
        };
        buffers.iter().map(place).collect()
    }

    /// One after the other, behind those that are written or being written.
    async fn write_zeroes(&self, zeroes: Vec<SharedBuf>) -> io::Result<()> {
        let mut at = self.zeroes.place(total_bytes(&zeroes) as u64);
        for part in zeroes {
            let bytes = part.len() as u64;
            self.zeroes.file.write_at(at, part).await?;
            at += bytes;
        }
        Ok(())
    }
}

fn total_bytes(buffers: &[SharedBuf]) -> usize {
    buffers.iter().map(|buffer| buffer.len()).sum()
}

/// Waits for all of them; what each gave.
async fn joined<T>(operations: Vec<task::JoinHandle<io::Result<T>>>) -> io::Result<Vec<T>> {
    let mut results = Vec::with_capacity(operations.len());
    for operation in operations {
        results.push(operation.await.unwrap_or_else(|_| Err(io::Error::other("an operation panicked")))?);
    }
    Ok(results)
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
        let new = many.new_files.unwrap();
        assert!([new.zeroed, new.each_flushed, new.all_flushed].iter().all(|rate| (8.0..=new.best()).contains(rate)), "{many:?}");
        assert!((many.mb_per_s(1000.0) - 5.0).abs() < 1e-6);
        let one = measure(folder.path(), &[], Shape { files: 1, request_bytes: 5000, in_flight: 1 }, effort).unwrap();
        assert!(one.new_files.is_none() && one.latency.is_some_and(|latency| 0.0 < latency.p50_ms && latency.p50_ms <= latency.p99_ms), "{one:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
