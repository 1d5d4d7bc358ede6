//! The shard threads: one glommio executor each, pinned to its core.
//!
//! Called on the main thread before anything else runs. Works round the faults of glommio 0.9 that concern an executor as
//! a whole: the first sleep (membarrier), the IOPOLL probe (a sentinel file), and with `launch` the park bug.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use glommio::{LocalExecutorBuilder, Placement, PoolPlacement};

use super::{
    file::{DirectFile, OpenMode},
    fs,
    launch::{Launch, Launched},
    timer,
};
use crate::types::{ShardId, limits::IO_ALIGNMENT};

/// How long a task may run before others get their turn.
pub(super) const PREEMPT: Duration = Duration::from_millis(10);
/// Registered memory of an executor in bytes; our buffers come from the heap, so glommio's own use is all.
const IO_MEMORY: usize = 1 << 20;
/// Entries of each of an executor's three rings: operations that one turn may submit.
const RING_DEPTH: usize = 512;
/// Threads for each shard that do what blocks. Not pinned: they are made before the shard's own thread is.
const BLOCKING_THREADS: usize = 2;
/// How long an executor that ends waits for its blocking work.
const BLOCKING_PATIENCE: Duration = Duration::from_secs(5);
/// Name of the sentinel in each log directory; Kafka ignores files it does not know.
pub const SENTINEL: &str = "corelog.probe";

/// How the shards are to be run.
#[derive(Clone, Debug, Default)]
pub struct ShardThreads {
    /// The CPU of each shard.
    pub cpus: Vec<usize>,
    /// Folders in which direct I/O will happen; each gets a sentinel file.
    pub directories: Vec<PathBuf>,
    /// How long a shard without work keeps looking for some before it sleeps. Zero leaves the core to others; some tens
    /// of microseconds save a wake-up in each hop between shards and take the whole core.
    pub spin: Duration,
}

/// The running shard threads.
#[derive(Debug)]
pub struct Running<T: Send + 'static> {
    threads: Vec<Launched<T>>,
}

impl ShardThreads {
    /// Starts one thread for each CPU; `shard` is called on each and its future run to the end. Tasks that are left then
    /// are dropped.
    ///
    /// # Errors
    /// The kernel refuses io_uring, or a sentinel cannot be written.
    pub fn start<T, F, G>(self, shard: G) -> io::Result<Running<T>>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
        G: Fn(ShardId) -> F + Clone + Send + 'static,
    {
        register_membarrier();
        for directory in &self.directories {
            write_sentinel(directory)?;
        }
        let mut launches = Vec::new();
        for (index, cpu) in (0u16..).zip(self.cpus) {
            let (shard, directories, spin) = (shard.clone(), self.directories.clone(), self.spin);
            let builder = move || builder(Placement::Fixed(cpu)).spin_before_park(spin);
            launches.push(Launch::begin(format!("shard-{index}"), builder, move || live(directories, move || shard(ShardId(index))))?);
        }
        let threads = launches.into_iter().map(Launch::finish).collect::<io::Result<_>>()?;
        Ok(Running { threads })
    }
}

impl<T: Send + 'static> Running<T> {
    /// Waits until all shards have ended; what each gave.
    ///
    /// # Errors
    /// A shard's thread died.
    pub fn join(self) -> io::Result<Vec<T>> {
        self.threads.into_iter().map(Launched::join).collect()
    }
}

/// Runs `future` on a single executor of its own, not pinned, and gives its result: for tests and tools. Direct I/O may
/// happen on the file systems of the current folder, the program and the temporary folder.
///
/// # Errors
/// The kernel refuses io_uring.
pub fn run_alone<T: Send + 'static, F: Future<Output = T> + 'static>(future: impl FnOnce() -> F + Send + 'static) -> io::Result<T> {
    register_membarrier();
    let directories = vec![std::env::temp_dir()];
    for directory in &directories {
        write_sentinel(directory)?;
    }
    let work = move || async move {
        // Any file that is not empty serves as a sentinel.
        if let Ok(program) = std::env::current_exe() {
            open_first(&program).await;
        }
        live(directories, future).await
    };
    Launch::begin("executor".to_owned(), || builder(Placement::Unbound), work)?.finish()?.join()
}

fn builder(placement: Placement) -> LocalExecutorBuilder {
    LocalExecutorBuilder::new(placement)
        .preempt_timer(PREEMPT)
        .io_memory(IO_MEMORY)
        .ring_depth(RING_DEPTH)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(BLOCKING_THREADS))
}

/// The life of an executor: what must come before everything else, the work, and what must be waited for.
async fn live<T, F: Future<Output = T>>(directories: Vec<PathBuf>, work: impl FnOnce() -> F) -> T {
    for directory in &directories {
        open_first(&directory.join(SENTINEL)).await;
    }
    let result = work().await;
    timer::wait_until(|| fs::under_way() == 0, BLOCKING_PATIENCE).await;
    result
}

/// The first file that an executor opens on a device decides whether glommio polls it for completions. A read of a file
/// that is not empty finds out the truth.
async fn open_first(path: &Path) {
    match DirectFile::open(path, OpenMode::Read).await {
        Ok(file) => drop(file.close().await),
        Err(error) => tracing::warn!(%error, "cannot open the probe file: file I/O may be slow or fail"),
    }
}

/// Puts a sentinel into a folder, unless one is there. Never empty for a moment: another process may be opening it.
fn write_sentinel(directory: &Path) -> io::Result<()> {
    let path = directory.join(SENTINEL);
    let text = b"corelog opens this file first to find out how the device completes reads.\n";
    let mut block = text.to_vec();
    block.resize(IO_ALIGNMENT, b' ');
    if std::fs::metadata(&path).is_ok_and(|file| file.len() == block.len() as u64) {
        return Ok(());
    }
    let beside = directory.join(format!("{SENTINEL}.{}.{:?}.tmp", std::process::id(), std::thread::current().id()));
    std::fs::write(&beside, block)
        .and_then(|()| std::fs::rename(&beside, &path))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Without this the first sleep of each executor takes tens of milliseconds. A kernel that refuses only makes it slower.
fn register_membarrier() {
    if let Err(error) = rustix::thread::membarrier(rustix::thread::MembarrierCommand::RegisterPrivateExpedited) {
        tracing::debug!(%error, "membarrier cannot be registered");
    }
}

/// The CPUs that this process may use, in order.
///
/// # Errors
/// What the operating system says.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{
        buffer::{AlignedBuf, Slice},
        link,
        net::{ListenOptions, Listener, Stream},
        task,
    };

    #[test]
    fn a_file_is_written_flushed_and_read_back() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("data");
        let read = run_alone(move || async move {
            let file = DirectFile::open(&path, OpenMode::CreateNew).await.unwrap();
            let mut buffer = AlignedBuf::zeroed(5000);
            buffer.as_mut_slice()[4999] = 9;
            file.write_at(4096, buffer.freeze()).await.unwrap();
            file.sync_data().await.unwrap();
            let read = file.read_at(4096, 16384).await.unwrap();
            (read.len(), read[4999], file.size().unwrap())
        });
        assert_eq!(read.unwrap(), (8192, 9, 12288));
    }

    #[test]
    fn a_panic_ends_its_task_alone() {
        let outcome = run_alone(|| async {
            let failed = task::spawn("test", async { panic!("on purpose") }).await;
            (failed, task::spawn("test", async { 7 }).await)
        });
        assert_eq!(outcome.unwrap(), (Err(task::TaskFailed), Ok(7)));
    }

    #[test]
    fn many_slices_leave_in_order_and_connections_move_between_shards() {
        let (out, inbound) = link::pair(4);
        let (addresses, address) = flume::bounded(1);
        let server = std::thread::spawn(move || {
            run_alone(move || async move {
                let listener = Listener::bind("127.0.0.1:0", ListenOptions::default()).unwrap();
                addresses.send(listener.local_addr().unwrap()).unwrap();
                let link = out.connect().await;
                let accepted = listener.accept().await.unwrap();
                link.try_send(accepted).unwrap();
                timer::sleep(Duration::from_millis(50)).await;
            })
        });
        let sender = std::thread::spawn(move || {
            run_alone(move || async move {
                let link = inbound.connect().await;
                let stream = link.recv().await.unwrap().attach().unwrap();
                let slices: Vec<Slice> = (0..5000u32).map(|n| Slice::from(bytes::Bytes::from(vec![n as u8; 997]))).collect();
                stream.write_gather(&slices).await.unwrap();
                stream.shutdown();
            })
        });
        let received = run_alone(move || async move {
            let stream = Stream::connect(address.recv().unwrap()).await.unwrap();
            let (mut all, mut buffer) = (Vec::new(), vec![0; 65536]);
            loop {
                match stream.read(&mut buffer).await.unwrap() {
                    0 => return all,
                    n => all.extend_from_slice(&buffer[..n]),
                }
            }
        });
        let received = received.unwrap();
        assert_eq!(received.len(), 5000 * 997);
        assert!(received.chunks(997).enumerate().all(|(n, chunk)| chunk.iter().all(|byte| *byte == n as u8)));
        server.join().unwrap().unwrap();
        sender.join().unwrap().unwrap();
    }
}
