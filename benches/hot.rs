//! What the hot files cost per operation: checking a produced batch, the checksum, staging an append, gathering a write,
//! planning a fetch, a hop between shards.
//!
//! `cargo bench --bench hot` prints nanoseconds, the best of several rounds. `hot NAME COUNT` does one operation COUNT times
//! and prints nothing: `benches/instructions.sh` runs that under callgrind, where a busy machine makes no difference (but not
//! what needs a shard: valgrind does not run its executor to the end).
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints, and measures by the real clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::{
    future::{Ready, ready},
    hint::black_box,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use corelog::{
    log::{Log, LogSettings, LogShared, OpenOptions, SharedLimits},
    record::{BatchBuilder, Batches, CheckedBatch, ProduceRules, check_produced},
    runtime::{channel, executor, link},
    types::{LeaderEpoch, Offset, Text, TopicPartition, Uuid},
};

const ROUNDS: u32 = 10;
const NOW_MS: i64 = 1_700_000_000_000;
const KIB: usize = 1024;
/// Batches that one gathered write takes.
const GATHERED: u32 = 64;

/// An operation: does it so many times and says how long that took, preparations left out.
type Operation = fn(u32) -> Duration;

const OPERATIONS: &[(&str, u32, Operation)] = &[
    ("check-1KiB", 20_000, |count| check(count, 1, KIB)),
    ("check-64KiB", 1000, |count| check(count, 64, KIB)),
    ("check-1MiB", 60, |count| check(count, 1024, KIB)),
    ("crc-1KiB", 50_000, |count| crc(count, KIB)),
    ("crc-64KiB", 2000, |count| crc(count, 64 * KIB)),
    ("walk-64-batches", 2000, walk),
    ("stage-1KiB", 5000, |count| stage(count, 1)),
    ("stage-64KiB", 1000, |count| stage(count, 64)),
    ("gather-64x1KiB", 50, gather),
    ("plan-hot-64KiB", 5000, plan),
    ("hop", 20_000, hop),
    ("hop-and-back", 2_000, |count| hops(count, 1)),
    ("hop-of-64", 64_000, |count| hops(count, 64)),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let chosen = |name: &String| OPERATIONS.iter().find(|(known, ..)| known == name).unwrap();
    match &arguments[..] {
        [name, count] => {
            black_box(chosen(name).2(count.parse().unwrap()));
        }
        [name] => measure(chosen(name)),
        _ => OPERATIONS.iter().for_each(measure),
    }
}

fn measure((name, count, operation): &(&str, u32, Operation)) {
    let best = (0..ROUNDS).map(|_| operation(*count)).min().unwrap();
    println!("{name:<20}{:>12.0} ns", best.as_nanos() as f64 / f64::from(*count));
}

fn timed(count: u32, mut operation: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        operation();
    }
    start.elapsed()
}

/// A batch of records of `bytes` bytes.
fn batch(records: usize, bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    let value: Vec<u8> = (0..bytes).map(|at| (at * 31 % 251) as u8).collect();
    for _ in 0..records {
        builder.push(NOW_MS, None, Some(&value), &[]);
    }
    builder.build().unwrap()
}

fn check(count: u32, records: usize, bytes: usize) -> Duration {
    let (batch, rules) = (batch(records, bytes - 80), ProduceRules::default());
    timed(count, || {
        black_box(check_produced(batch.clone(), &rules, NOW_MS).unwrap());
    })
}

fn crc(count: u32, bytes: usize) -> Duration {
    let bytes = vec![0x5a_u8; bytes];
    timed(count, || {
        black_box(crc32c::crc32c(black_box(&bytes)));
    })
}

/// The headers of an answer to a fetch.
fn walk(count: u32) -> Duration {
    let bytes: Vec<u8> = std::iter::repeat_n(batch(1, 900), 64).flatten().collect();
    timed(count, || {
        assert_eq!(Batches::new(black_box(&bytes)).filter_map(Result::ok).count(), 64);
    })
}

/// Runs `work` with an empty log on a shard of its own.
fn with_log<F: Future<Output = Duration> + 'static>(work: fn(Log, u32) -> F, count: u32) -> Duration {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log_dir = directory.path().to_owned();
    executor::run_alone(move || async move {
        let (failures, _failed) = channel::unbounded();
        let shared = LogShared::new(&SharedLimits::default(), failures);
        let options = OpenOptions {
            log_dir,
            name: TopicPartition { topic: Text::from("orders"), partition: 0 },
            topic_id: Uuid([7; 16]),
            settings: LogSettings::default(),
            start: None,
            recovery_point: Offset::ZERO,
            clean: false,
            now_ms: NOW_MS,
        };
        work(Log::open(&shared, options).await.unwrap(), count).await
    })
    .unwrap()
}

fn stage_all(log: &mut Log, checked: &CheckedBatch, count: u32) {
    for _ in 0..count {
        black_box(log.stage(checked.clone(), LeaderEpoch(1), NOW_MS).unwrap());
    }
}

async fn persist(log: &mut Log) {
    while let Some(plan) = log.take_write() {
        let outcome = plan.execute().await;
        log.complete_write(outcome).unwrap();
    }
}

fn stage(count: u32, kib: usize) -> Duration {
    fn run(mut log: Log, count: u32, kib: usize) -> Ready<Duration> {
        let checked = CheckedBatch::verified(batch(kib, KIB - 80)).unwrap();
        let start = Instant::now();
        stage_all(&mut log, &checked, count);
        ready(start.elapsed())
    }
    match kib {
        1 => with_log(|log, count| run(log, count, 1), count),
        _ => with_log(|log, count| run(log, count, 64), count),
    }
}

/// One write of many staged batches: laid out and copied into an aligned buffer. The write itself is left out.
fn gather(count: u32) -> Duration {
    async fn run(mut log: Log, count: u32) -> Duration {
        let checked = CheckedBatch::verified(batch(1, KIB - 80)).unwrap();
        let mut spent = Duration::ZERO;
        for _ in 0..count {
            stage_all(&mut log, &checked, GATHERED);
            let start = Instant::now();
            let plan = log.take_write().unwrap();
            spent += start.elapsed();
            let outcome = plan.execute().await;
            log.complete_write(outcome).unwrap();
            persist(&mut log).await;
        }
        spent
    }
    with_log(run, count)
}

/// A fetch that is served from memory.
fn plan(count: u32) -> Duration {
    async fn run(mut log: Log, count: u32) -> Duration {
        let checked = CheckedBatch::verified(batch(1, KIB - 80)).unwrap();
        for _ in 0..16 {
            stage_all(&mut log, &checked, GATHERED);
            persist(&mut log).await;
        }
        let view = Rc::clone(log.view());
        timed(count, || {
            black_box(view.plan_read(Offset::new(300).unwrap(), Offset::MAX, 64 * KIB, true).unwrap());
        })
    }
    with_log(run, count)
}

/// A message over a link, both ends on one shard: without the wake-up of another core.
fn hop(count: u32) -> Duration {
    async fn run(count: u32) -> Duration {
        let (out, into) = link::pair::<u64>(1024);
        let (out, into) = futures_lite::future::zip(out.connect(), into.connect()).await;
        let start = Instant::now();
        for message in 0..u64::from(count) {
            out.try_send(message).unwrap();
            black_box(into.recv().await);
        }
        start.elapsed()
    }
    executor::run_alone(move || run(count)).unwrap()
}

/// Messages to another shard, which sends one back for each `burst`; then the next ones go. Per message.
fn hops(count: u32, burst: u32) -> Duration {
    let (there, coming) = link::pair::<u32>(1024);
    let (back, returning) = link::pair::<u32>(1024);
    let is_last = move |message: u32| message % burst == burst - 1;
    let other = move || async move {
        let (into, out) = futures_lite::future::zip(coming.connect(), back.connect()).await;
        while let Some(message) = into.recv().await {
            if is_last(message) {
                out.try_send(message).unwrap();
            }
        }
    };
    let other = std::thread::spawn(move || executor::run_alone(other).unwrap());
    let this = move || async move {
        let (out, into) = futures_lite::future::zip(there.connect(), returning.connect()).await;
        let start = Instant::now();
        for message in 0..count {
            out.try_send(message).unwrap();
            if is_last(message) {
                black_box(into.recv().await);
            }
        }
        start.elapsed()
    };
    let took = executor::run_alone(this).unwrap();
    other.join().unwrap();
    took
}
