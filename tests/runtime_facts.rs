//! Facts about glommio 0.9 and the kernel that the broker rests on, each with the work-round that makes it bearable.
//!
//! A test here fails when a work-round stops working, or when a newer glommio makes one needless. Everything is bounded
//! in time: what hangs fails. The reasons stand in `docs/decisions/runtime.md`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "clients have threads of their own, which may sleep")]

use std::{
    future::Future,
    io,
    net::{Shutdown, TcpStream},
    path::PathBuf,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use corelog::{
    runtime::{
        buffer::{AlignedBuf, Slice},
        channel,
        executor::{self, SENTINEL, ShardThreads, run_alone},
        file::{DirectFile, OpenMode},
        fs, link,
        net::{Accepted, ListenOptions, Listener, Stream},
        notify::Notify,
        task, timer,
    },
    types::ShardId,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Fails instead of hanging.
fn within<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = flume::bounded(1);
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(PATIENCE).expect("the work ends, and in time")
}

/// Runs on an executor of its own; fails instead of hanging.
fn alone<T: Send + 'static, F: Future<Output = T> + 'static>(work: impl FnOnce() -> F + Send + 'static) -> T {
    within(|| run_alone(work).expect("an executor starts"))
}

/// Two shards, on two CPUs if there are two.
fn two_shards(directories: Vec<PathBuf>) -> ShardThreads {
    let cpus = executor::allowed_cpus().unwrap();
    ShardThreads { cpus: vec![cpus[0], *cpus.last().unwrap()], directories, spin: Duration::ZERO }
}

/// A folder on a disk: the one that the crate stands on, as the temporary folder may be memory.
fn disk() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap()
}

fn filled(bytes: usize, value: u8) -> AlignedBuf {
    AlignedBuf::build(bytes, |filler| filler.put(&vec![value; bytes]))
}

/// B2: the first file that an executor opens on a device decides how its reads complete. An empty file decides wrongly,
/// and later reads fail with EOPNOTSUPP; the sentinel comes first.
#[test]
fn an_empty_file_opened_first_does_not_spoil_later_reads() {
    let folder = disk();
    let path = folder.path().to_owned();
    let shards = two_shards(vec![path.clone()]);
    let read = within(move || {
        let shard = move |id: ShardId| {
            let path = path.join(format!("empty-{id}"));
            async move {
                let file = DirectFile::open(&path, OpenMode::CreateNew).await?;
                file.write_at(0, filled(8192, 3).freeze()).await?;
                let read = file.read_at(0, 8192).await?;
                file.close().await?;
                Ok::<_, io::Error>(read.iter().all(|byte| *byte == 3) && read.len() == 8192)
            }
        };
        shards.start(shard).unwrap().join().unwrap()
    });
    assert!(read.into_iter().all(|outcome| outcome.unwrap()));
    assert!(folder.path().join(SENTINEL).metadata().unwrap().len() > 0);
}

/// B1: an executor may park although a task can run. The keep-alive timer ends such a sleep.
#[test]
fn wakes_from_other_threads_are_never_lost_for_good() {
    const ROUNDS: u32 = 20_000;
    let last = within(|| {
        let (to_pong, pong) = flume::bounded::<u32>(1);
        let (to_ping, ping) = flume::bounded::<u32>(1);
        let other = std::thread::spawn(move || {
            run_alone(move || async move {
                while let Ok(number) = pong.recv_async().await {
                    if to_ping.send_async(number + 1).await.is_err() {
                        return;
                    }
                }
            })
        });
        let last = run_alone(move || async move {
            let mut number = 0;
            while number < ROUNDS {
                to_pong.send_async(number).await.unwrap();
                number = ping.recv_async().await.unwrap();
            }
            number
        });
        other.join().unwrap().unwrap();
        last.unwrap()
    });
    assert_eq!(last, ROUNDS);
}

/// B3: glommio's unaligned reads give wrong lengths and bytes that were never read; ours are aligned and end with the file.
#[test]
fn a_read_ends_where_the_file_ends() {
    let folder = disk();
    let path = folder.path().join("short");
    std::fs::write(&path, vec![7u8; 4096 + 700]).unwrap();
    let lengths = alone(move || async move {
        let file = DirectFile::open(&path, OpenMode::Read).await.unwrap();
        let mut lengths = Vec::new();
        for (position, bytes) in [(0, 4096), (0, 8192), (4096, 4096), (4096, 65536), (8192, 4096), (1 << 30, 4096), (0, 0)] {
            let read = file.read_at(position, bytes).await.unwrap();
            assert!(read.iter().all(|byte| *byte == 7));
            lengths.push(read.len());
        }
        lengths
    });
    assert_eq!(lengths, [4096, 4796, 700, 700, 0, 0, 0]);
}

/// B4: a panic in a glommio task unwinds its executor. B9: one in blocking work leaves its caller waiting for ever.
#[test]
fn a_panic_ends_its_task_and_nothing_else() {
    let outcome = alone(|| async {
        let failed = task::spawn("test", async { panic!("on purpose") }).await;
        let background = task::spawn_background("test", async { panic!("on purpose") }).await;
        let blocking = fs::blocking(|| -> io::Result<()> { panic!("on purpose") }).await;
        let blocking_again = fs::blocking(|| Ok(1)).await;
        let after = task::spawn("test", async { 7 }).await;
        (failed.is_err(), background.is_err(), blocking.is_err(), blocking_again.is_ok(), after)
    });
    assert_eq!(outcome, (true, true, true, true, Ok(7)));
}

/// B5: glommio's sizes are looked up by path.
#[test]
fn a_size_is_that_of_the_open_file_whatever_its_name_is_now() {
    let folder = disk();
    let path = folder.path().join("first");
    let sizes = alone(move || async move {
        let file = DirectFile::open(&path, OpenMode::CreateNew).await.unwrap();
        file.write_at(0, filled(4096, 1).freeze()).await.unwrap();
        let moved = path.with_file_name("second");
        fs::rename(&path, &moved).await.unwrap();
        let renamed = file.size().unwrap();
        fs::remove_file(&moved).await.unwrap();
        file.truncate(100).await.unwrap();
        (renamed, file.size().unwrap())
    });
    assert_eq!(sizes, (4096, 100));
}

/// What went wrong is known by its kind, and the text says where.
#[test]
fn an_error_keeps_its_kind_and_names_its_file() {
    let folder = disk();
    let path = folder.path().join("absent");
    let (open, again, read) = alone(move || async move {
        let open = DirectFile::open(&path, OpenMode::Read).await.unwrap_err();
        drop(DirectFile::open(&path, OpenMode::CreateNew).await.unwrap());
        let again = DirectFile::open(&path, OpenMode::CreateNew).await.unwrap_err();
        (open, again, fs::read(&path.join("under"), 10).await.unwrap_err())
    });
    assert_eq!((open.kind(), again.kind(), read.kind()), (io::ErrorKind::NotFound, io::ErrorKind::AlreadyExists, io::ErrorKind::NotADirectory));
    assert!([&open, &again, &read].iter().all(|error| error.to_string().contains("absent")), "{open}; {again}; {read}");
}

/// Blocks that are written already need no change of the file's metadata: size and blocks stay, so one flush is enough
/// for all files of the device.
#[test]
fn writes_into_a_zeroed_file_leave_its_size_and_blocks_alone() {
    use std::os::unix::fs::MetadataExt;
    let folder = disk();
    let path = folder.path().join("runway");
    let shown = path.clone();
    let size = |path: &PathBuf| path.metadata().map(|file| (file.len(), file.blocks())).unwrap();
    let (before, read) = alone(move || async move {
        let file = DirectFile::open(&path, OpenMode::CreateNew).await.unwrap();
        file.write_at(0, AlignedBuf::zeroed(1 << 20).freeze()).await.unwrap();
        file.sync_data().await.unwrap();
        let before = size(&path);
        file.write_at(4096, filled(300 << 10, 9).freeze()).await.unwrap();
        // The last block again, as an appender does.
        file.write_at(300 << 10, filled(4096, 8).freeze()).await.unwrap();
        file.sync_data().await.unwrap();
        (before, file.read_at(0, 1 << 20).await.unwrap().to_vec())
    });
    assert_eq!(size(&shown), before);
    assert_eq!((read.len(), read[4095], read[4096], read[(300 << 10) - 1], read[300 << 10], read[304 << 10]), (1 << 20, 0, 9, 9, 8, 0));
}

/// A write is whole or an error, at any size.
#[test]
fn a_large_write_is_whole() {
    let folder = disk();
    let path = folder.path().join("large");
    let read = alone(move || async move {
        let file = DirectFile::open(&path, OpenMode::CreateNew).await.unwrap();
        let bytes = 24 << 20;
        let buffer = AlignedBuf::build(bytes, |filler| (0..bytes / 8).for_each(|n| filler.put(&n.to_le_bytes())));
        file.write_at(4096, buffer.freeze()).await.unwrap();
        let tail = file.read_at(bytes as u64, 8192).await.unwrap();
        (tail.len(), u64::from_le_bytes(*tail.last_chunk().unwrap()))
    });
    assert_eq!(read, (4096, (24 << 20) / 8 - 1));
}

/// B6, B7: links are made in pairs before the executors start, and a full one gives the message back.
#[test]
fn a_full_link_returns_the_message_and_an_open_one_keeps_the_order() {
    const MESSAGES: u64 = 200_000;
    let (out, inbound) = link::pair::<u64>(64);
    let (go, wait) = flume::bounded(1);
    let (refused, (held, sum)) = within(move || {
        let sender = std::thread::spawn(move || {
            run_alone(move || async move {
                let out = out.connect().await;
                let (mut number, mut refused) = (0, 0);
                while number < MESSAGES {
                    if out.try_send(number).is_ok() {
                        number += 1;
                        continue;
                    }
                    // The first refusal comes before anybody reads: the link is full.
                    if refused == 0 {
                        go.send(number).unwrap();
                    }
                    refused += 1;
                    task::yield_now().await;
                }
                // Leaves time to take what is in the link: it ends with its sender.
                timer::sleep(Duration::from_millis(100)).await;
                refused
            })
        });
        let sum = run_alone(move || async move {
            let inbound = inbound.connect().await;
            let held = wait.recv_async().await.unwrap();
            let mut next = 0;
            while next < MESSAGES {
                assert_eq!(inbound.recv().await, Some(next));
                next += 1;
            }
            (held, next)
        });
        (sender.join().unwrap().unwrap(), sum.unwrap())
    });
    assert!(refused > 0);
    assert_eq!((held, sum), (64, MESSAGES));
}

/// A connection is accepted on one shard and served on the other; dropped instead, anywhere, it is closed.
#[test]
fn an_accepted_connection_may_move_or_be_dropped() {
    use std::io::{Read, Write};
    let (out, inbound) = link::pair::<Accepted>(4);
    let (told, address) = flume::bounded(1);
    let (kept, dropped_outside) = flume::bounded::<Accepted>(1);
    let ends = flume::bounded(2);
    ends.0.send((Some(out), None)).unwrap();
    let take = ends.1.clone();
    let clients = std::thread::spawn(move || {
        let address = address.recv().unwrap();
        let mut served = TcpStream::connect(address).unwrap();
        served.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        served.read_exact(&mut answer).unwrap();
        // Dropped on the shard that accepted it.
        let end = TcpStream::connect(address).unwrap().read(&mut [0]).unwrap();
        // Dropped where there is no executor.
        let mut third = TcpStream::connect(address).unwrap();
        drop(dropped_outside.recv().unwrap());
        (answer, end, third.read(&mut [0]).unwrap())
    });
    let shards = two_shards(Vec::new());
    within(move || {
        ends.0.send((None, Some(inbound))).unwrap();
        let shard = move |_| {
            let (ends, told, kept) = (take.recv().unwrap(), told.clone(), kept.clone());
            async move {
                match ends {
                    (Some(out), _) => {
                        let out = out.connect().await;
                        let listener = Listener::bind("127.0.0.1:0", ListenOptions::default()).unwrap();
                        told.send(listener.local_addr().unwrap()).unwrap();
                        assert!(out.try_send(listener.accept().await.unwrap()).is_ok());
                        drop(listener.accept().await.unwrap());
                        kept.send(listener.accept().await.unwrap()).unwrap();
                        timer::sleep(Duration::from_millis(50)).await;
                    }
                    (_, inbound) => {
                        let stream = inbound.unwrap().connect().await.recv().await.unwrap().attach().unwrap();
                        let mut received = [0; 5];
                        assert_eq!(stream.read(&mut received).await.unwrap(), 5);
                        stream.write_gather(&[Slice::from(Bytes::copy_from_slice(&received))]).await.unwrap();
                    }
                }
            }
        };
        shards.start(shard).unwrap().join().unwrap()
    });
    assert_eq!(clients.join().unwrap(), (*b"hello", 0, 0));
}

/// glommio binds with SO_REUSEPORT: a second broker would silently take half of the first one's clients.
#[test]
fn an_address_belongs_to_one_listener() {
    let outcome = alone(|| async {
        let first = Listener::bind("127.0.0.1:0", ListenOptions::default()).unwrap();
        Listener::bind(first.local_addr().unwrap(), ListenOptions::default()).map(|_| ()).map_err(|error| error.kind())
    });
    assert_eq!(outcome, Err(io::ErrorKind::AddrInUse));
    assert!(alone(|| async { Listener::bind("no.such.name.invalid:1", ListenOptions::default()).is_err() }));
}

/// One send takes 1024 slices at most, and a socket less than all bytes: the rest follows in order. Reading and writing
/// go on at the same time.
#[test]
fn thousands_of_slices_reach_a_slow_reader_in_order_while_it_sends() {
    use std::io::{Read, Write};
    const SLICES: usize = 5000;
    let (told, address) = flume::bounded(1);
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address.recv().unwrap()).unwrap();
        let mut writing = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            for _ in 0..100 {
                writing.write_all(&[1; 100_000]).unwrap();
            }
            writing.shutdown(Shutdown::Write).unwrap();
        });
        let (mut all, mut buffer) = (Vec::new(), vec![0; 30_000]);
        loop {
            if all.len() % 7 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            match stream.read(&mut buffer).unwrap() {
                0 => break,
                bytes => all.extend_from_slice(&buffer[..bytes]),
            }
        }
        writer.join().unwrap();
        all
    });
    let received = alone(move || async move {
        let listener = Listener::bind("127.0.0.1:0", ListenOptions::default()).unwrap();
        told.send(listener.local_addr().unwrap()).unwrap();
        let stream = listener.accept().await.unwrap().attach().unwrap();
        let writing = stream.clone();
        let writer = task::spawn("writer", async move {
            let slices: Vec<Slice> = (0..SLICES).map(|n| Slice::from(Bytes::from(vec![n as u8; n % 2000]))).collect();
            writing.write_gather(&slices).await
        });
        let (mut received, mut buffer) = (0, vec![0; 65536]);
        loop {
            match stream.read(&mut buffer).await.unwrap() {
                0 => break,
                bytes => received += bytes,
            }
        }
        writer.await.unwrap().unwrap();
        stream.shutdown();
        received
    });
    assert_eq!(received, 10_000_000);
    let all = client.join().unwrap();
    let expected: Vec<u8> = (0..SLICES).flat_map(|n| std::iter::repeat_n(n as u8, n % 2000)).collect();
    assert!(all == expected, "{} of {} bytes", all.len(), expected.len());
}

/// A client that vanishes is noticed by the reader, and a write to it is an error, not a signal.
#[test]
fn a_client_that_vanishes_is_an_error() {
    let outcome = alone(|| async {
        let listener = Listener::bind("127.0.0.1:0", ListenOptions::default()).unwrap();
        let address = listener.local_addr().unwrap();
        let client = Stream::connect(address).await.unwrap();
        let server = listener.accept().await.unwrap().attach().unwrap();
        drop(client);
        let end = server.read(&mut [0; 10]).await.unwrap();
        let slices = [Slice::from(Bytes::from(vec![0; 1 << 20]))];
        let mut written = Ok(());
        while written.is_ok() {
            written = server.write_gather(&slices).await;
        }
        end
    });
    assert_eq!(outcome, 0);
}

/// Tasks that are left when a shard ends, with open files and sockets, do not keep it from ending.
#[test]
fn a_shard_ends_although_tasks_are_left() {
    let folder = disk();
    let path = folder.path().to_owned();
    let ended = within(move || {
        let shards = two_shards(vec![path.clone()]);
        let shard = move |id: ShardId| {
            let path = path.join(format!("left-{id}"));
            async move {
                let listener = Listener::bind("127.0.0.1:0", ListenOptions::default()).unwrap();
                let client = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
                let server = listener.accept().await.unwrap().attach().unwrap();
                let file = DirectFile::open(&path, OpenMode::CreateNew).await.unwrap();
                let (sender, receiver) = channel::unbounded::<u8>();
                task::spawn("waits for ever", async move {
                    receiver.recv().await;
                    drop((client, file, sender));
                });
                task::spawn("reads for ever", async move { server.read(&mut [0]).await });
                task::spawn("accepts for ever", async move { listener.accept().await.map(drop) });
                task::spawn("blocks a while", fs::blocking(|| {
                        std::thread::sleep(Duration::from_millis(100));
                    Ok(())
                }));
                task::yield_now().await;
                id
            }
        };
        shards.start(shard).unwrap().join().unwrap()
    });
    assert_eq!(ended, [ShardId(0), ShardId(1)]);
}

/// glommio puts its blocking threads on the core of their shard, unless told otherwise.
#[test]
fn blocking_work_is_not_pinned_to_the_core_of_its_shard() {
    let everywhere = executor::allowed_cpus().unwrap();
    let first = everywhere[..1].to_vec();
    let seen = within(move || {
        let shards = ShardThreads { cpus: first, ..ShardThreads::default() };
        let shard = |_| async { (executor::allowed_cpus().unwrap(), fs::blocking(executor::allowed_cpus).await.unwrap()) };
        shards.start(shard).unwrap().join().unwrap()
    });
    assert_eq!(seen, [(everywhere[..1].to_vec(), everywhere)]);
}

/// B9: a waker that is cloned 32,767 times panics. Waiting and giving up leaves no clone behind.
#[test]
fn waiting_in_vain_often_is_harmless() {
    let waited = alone(|| async {
        let notify = Rc::new(Notify::new());
        let mut waited = 0;
        for _ in 0..40_000 {
            futures_lite::future::or(notify.notified(), futures_lite::future::yield_now()).await;
            waited += 1;
        }
        waited
    });
    assert_eq!(waited, 40_000);
}

/// Background work goes on beside a shard that never rests, and does not slow it much.
#[test]
fn background_work_neither_starves_nor_takes_over() {
    let (front, back) = alone(|| async {
        let back = Rc::new(std::cell::Cell::new(0u64));
        let counted = Rc::clone(&back);
        task::spawn_background("background", async move {
            loop {
                counted.set(counted.get() + 1);
                task::yield_now().await;
            }
        });
        let mut front = 0u64;
        let until = corelog::runtime::clock::monotonic_ns() + 500_000_000;
        while corelog::runtime::clock::monotonic_ns() < until {
            front += 1;
            task::yield_now().await;
        }
        (front, back.get())
    });
    assert!(back > 0 && front > back, "{front} turns in front, {back} behind");
}

/// Waiting is cut off in time, and what was waited for is not lost.
#[test]
fn a_timeout_loses_nothing() {
    let outcome = alone(|| async {
        let (sender, receiver) = channel::unbounded();
        let late = timer::timeout(Duration::from_millis(20), receiver.recv()).await;
        sender.try_send(5).unwrap();
        (late, timer::timeout(Duration::from_secs(10), receiver.recv()).await)
    });
    assert_eq!(outcome, (None, Some(Some(5))));
}
