//! kill -9 in the middle of a load with acks=all: nothing acknowledged is lost, nothing is there twice, and producers carry on.
//!
//! Four idempotent producers keep several requests in flight to 64 partitions. The broker is killed and started again,
//! `CORELOG_KILL_ROUNDS` times (5 unless set). Producers send again what was not acknowledged. At the end every partition is
//! read from its start: offsets are contiguous, every record of every producer is there once and in order, and every
//! acknowledged record stands at the offset that was acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use corelog::protocol::messages::produce::ProduceResponse;

use crate::support::{Broker, Wire, broker, talk, turn, wire::NoAnswer};

const TOPIC: &str = "load";
const PARTITIONS: i32 = 64;
const PRODUCERS: usize = 4;
/// Partitions that one request writes to; so partitions have several batches in flight.
const PARTITIONS_PER_REQUEST: i32 = 32;
/// The window in which a broker recognises batches that come again.
const IN_FLIGHT: usize = 5;
const RECORDS_PER_BATCH: usize = 3;
/// How long a producer may go without an acknowledgement before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A batch that was sent: the producer's records `first..first + RECORDS_PER_BATCH` for a partition.
#[derive(Clone, Debug)]
struct Sent {
    partition: i32,
    first: u32,
    batch: Bytes,
}

/// An acknowledged batch.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    partition: i32,
    first: u32,
    /// `None` if the broker only knew that it has the batch.
    base_offset: Option<i64>,
}

/// What all producers share with the test.
#[derive(Debug, Default)]
struct Signals {
    stop: AtomicBool,
    /// Acknowledged batches by producer.
    acknowledged: [AtomicU64; PRODUCERS],
}

#[derive(Debug)]
struct Producer {
    index: usize,
    port: u16,
    id: (i64, i16),
    /// The next record by partition; also the next sequence number.
    next: BTreeMap<i32, u32>,
    /// Where the next request begins.
    cursor: i32,
    in_flight: VecDeque<Vec<Sent>>,
    /// Partitions that acknowledged something.
    known: BTreeSet<i32>,
    acknowledged: Vec<Acknowledged>,
    signals: Arc<Signals>,
}

fn value(producer: usize, partition: i32, record: u32) -> Vec<u8> {
    let mut value = format!("{producer} {partition} {record} ").into_bytes();
    // Sizes that differ, so that blocks and batches do not line up.
    value.resize(60 + (record as usize * 37) % 400, b'.');
    value
}

impl Producer {
    /// Sends until told to stop, and returns when everything it sent is acknowledged.
    fn run(mut self) -> Self {
        let mut last_progress = Instant::now();
        while !(self.signals.stop.load(Ordering::Relaxed) && self.in_flight.is_empty()) {
            let before = self.acknowledged.len();
            if self.work_on_one_connection().is_err() {
                thread::sleep(Duration::from_millis(10));
            }
            if self.acknowledged.len() > before {
                last_progress = Instant::now();
            }
            assert!(last_progress.elapsed() < PATIENCE, "producer {} does not get on", self.index);
        }
        self
    }

    /// Connects, sends again what is open, and goes on until the connection fails or all is done.
    fn work_on_one_connection(&mut self) -> Result<(), NoAnswer> {
        let mut wire = Wire::connect(self.port).map_err(NoAnswer::from)?;
        wire.set_patience(Duration::from_secs(20));
        let mut oldest = wire.correlation_id() + 1;
        for sent in &self.in_flight {
            send(&mut wire, sent)?;
        }
        loop {
            let stop = self.signals.stop.load(Ordering::Relaxed);
            if !stop && self.in_flight.len() < IN_FLIGHT {
                let sent = self.next_request();
                if !sent.is_empty() {
                    self.in_flight.push_back(sent);
                    send(&mut wire, &self.in_flight[self.in_flight.len() - 1])?;
                    continue;
                }
            }
            if self.in_flight.is_empty() {
                return Ok(());
            }
            let answer: ProduceResponse = wire.receive_for(oldest, talk::PRODUCE_VERSION)?;
            oldest += 1;
            self.take(&answer)?;
        }
    }

    /// The next batches. A partition gets a second one in flight only after its first was acknowledged: a broker that does
    /// not know the producer yet takes any sequence number for its first, also one that overtook the first.
    fn next_request(&mut self) -> Vec<Sent> {
        let open: BTreeSet<i32> = self.in_flight.iter().flatten().map(|sent| sent.partition).collect();
        let mut partitions: Vec<i32> = (0..PARTITIONS_PER_REQUEST).map(|at| (self.cursor + at) % PARTITIONS).collect();
        partitions.retain(|partition| self.known.contains(partition) || !open.contains(partition));
        self.cursor = (self.cursor + PARTITIONS_PER_REQUEST - 3) % PARTITIONS;
        partitions.into_iter().map(|partition| self.next_batch(partition)).collect()
    }

    fn next_batch(&mut self, partition: i32) -> Sent {
        let next = self.next.entry(partition).or_default();
        let first = *next;
        *next += RECORDS_PER_BATCH as u32;
        let values: Vec<Vec<u8>> = (first..*next).map(|record| value(self.index, partition, record)).collect();
        Sent { partition, first, batch: talk::idempotent_batch(self.id, first as i32, &values) }
    }

    /// Takes the answer to the oldest request. If a partition asks for a retry, the connection is given up and the rest is
    /// sent again in order, since batches behind the one that failed cannot be accepted before it.
    fn take(&mut self, answer: &ProduceResponse) -> Result<(), NoAnswer> {
        let sent = self.in_flight.pop_front().unwrap();
        let answers: BTreeMap<i32, _> = answer.responses.iter().flat_map(|topic| &topic.partition_responses).map(|answer| (answer.index, answer)).collect();
        assert_eq!(answers.len(), sent.len(), "one answer for every batch");
        let mut again = Vec::new();
        for sent in sent {
            let answer = answers[&sent.partition];
            match answer.error_code {
                0 | 46 => {
                    let base_offset = (answer.error_code == 0).then_some(answer.base_offset);
                    self.acknowledged.push(Acknowledged { partition: sent.partition, first: sent.first, base_offset });
                    self.known.insert(sent.partition);
                    self.signals.acknowledged[self.index].fetch_add(1, Ordering::Relaxed);
                }
                // Unknown partition, no leader, not the leader, timed out: what a broker that starts or stops may say.
                3 | 5 | 6 | 7 | 19 | 20 => again.push(sent),
                code => panic!("producer {}: {}-{} from {}: error {code}: {answer:?}", self.index, TOPIC, sent.partition, sent.first),
            }
        }
        if again.is_empty() {
            return Ok(());
        }
        self.in_flight.push_front(again);
        Err(NoAnswer::Closed)
    }
}

fn send(wire: &mut Wire, sent: &[Sent]) -> Result<(), NoAnswer> {
    let batches = sent.iter().map(|sent| (sent.partition, sent.batch.clone())).collect();
    wire.send(&talk::produce_request(TOPIC, -1, batches), talk::PRODUCE_VERSION)
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_there_twice() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let rounds = std::env::var("CORELOG_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    // Small segments, so that kills also hit rolls.
    let mut broker = Broker::start(&["log.segment.bytes=1048576"]);
    let mut wire = broker.connect();
    talk::create_topic(&mut wire, TOPIC, PARTITIONS, &[]);
    let signals = Arc::new(Signals::default());
    let producers: Vec<JoinHandle<Producer>> = (0..PRODUCERS)
        .map(|index| {
            let producer = Producer {
                index,
                port: broker.port(),
                id: talk::producer_id(&mut wire),
                next: BTreeMap::new(),
                cursor: index as i32 * 16,
                in_flight: VecDeque::new(),
                known: BTreeSet::new(),
                acknowledged: Vec::new(),
                signals: Arc::clone(&signals),
            };
            thread::spawn(move || producer.run())
        })
        .collect();
    for round in 0..rounds {
        // Not the same moment in every round; some kills come before the first acknowledgement.
        thread::sleep(Duration::from_millis(30 + (round * 173) % 700));
        broker.kill();
        broker.restart();
        wait_for_progress(&signals, &producers);
    }
    signals.stop.store(true, Ordering::Relaxed);
    let producers: Vec<Producer> = producers.into_iter().map(|producer| producer.join().expect("a producer found a fault")).collect();
    check(&mut broker, &producers);
    broker.stop();
    broker.restart();
    check(&mut broker, &producers);
    let batches: usize = producers.iter().map(|producer| producer.acknowledged.len()).sum();
    eprintln!("{rounds} kills, {batches} acknowledged batches, {} records", batches * RECORDS_PER_BATCH);
}

/// Waits until every producer has new acknowledgements.
fn wait_for_progress(signals: &Signals, producers: &[JoinHandle<Producer>]) {
    let counts = || signals.acknowledged.each_ref().map(|count| count.load(Ordering::Relaxed));
    let (before, started) = (counts(), Instant::now());
    while counts().iter().zip(before).any(|(now, before)| *now < before + 10) {
        assert!(started.elapsed() < PATIENCE, "not all producers carry on: {before:?} to {:?}", counts());
        assert!(!producers.iter().any(JoinHandle::is_finished), "a producer found a fault");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads everything and compares it with what was sent and acknowledged.
fn check(broker: &mut Broker, producers: &[Producer]) {
    let mut wire = broker.connect();
    for partition in 0..PARTITIONS {
        let end = talk::list_offset(&mut wire, TOPIC, partition, -1);
        let records = talk::read(&mut wire, TOPIC, partition, 0, end);
        let mut next = [0u32; PRODUCERS];
        let mut offsets: BTreeMap<(usize, u32), i64> = BTreeMap::new();
        for record in &records {
            let text = String::from_utf8(record.value.clone().unwrap()).unwrap();
            let mut words = text.split(' ');
            let (producer, to, number) = (number(words.next()), number(words.next()), number(words.next()));
            let producer = producer as usize;
            assert_eq!(to, partition as u32, "a record of another partition at {partition}/{}", record.offset);
            assert_eq!(number, next[producer], "{partition}/{}: producer {producer} is out of order", record.offset);
            assert_eq!(text.as_bytes(), value(producer, partition, number), "{partition}/{}", record.offset);
            offsets.insert((producer, number), record.offset);
            next[producer] += 1;
        }
        for producer in producers {
            assert_eq!(next[producer.index], producer.next.get(&partition).copied().unwrap_or(0), "all that producer {} sent", producer.index);
            for acknowledged in producer.acknowledged.iter().filter(|acknowledged| acknowledged.partition == partition) {
                if let Some(base_offset) = acknowledged.base_offset {
                    let found = offsets.get(&(producer.index, acknowledged.first));
                    assert_eq!(found, Some(&base_offset), "producer {}: {acknowledged:?}", producer.index);
                }
            }
        }
    }
}

fn number(word: Option<&str>) -> u32 {
    word.unwrap().parse().unwrap()
}
