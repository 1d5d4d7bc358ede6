//! Bad input at the live port: each gets Kafka's error or a closed connection, every other client keeps working, and memory
//! stays inside the budget.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use corelog::{
    protocol::{
        api::{ApiInfo, SERVED},
        messages::{
            api_versions::ApiVersionsRequest,
            create_topics::{CreatableTopic, CreateTopicsRequest},
            metadata::{MetadataRequest, MetadataRequestTopic},
        },
        header,
    },
    record::{BatchBuilder, Codec, compression},
    types::Text,
};

use crate::support::{Broker, Wire, broker, talk, turn};

/// Memory that bad input may cost beyond what the broker has when idle: buffers of connections and of frames in work.
const GROWTH_BYTES_MAX: u64 = 192 << 20;

/// Numbers that look random and are the same in every run.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.roll() as u8).collect()
    }
}

/// A client that does nothing wrong: it writes and reads for as long as the test runs, and notes its slowest round.
#[derive(Debug)]
struct Bystander {
    stop: Arc<AtomicBool>,
    slowest_ms: Arc<AtomicU64>,
    thread: thread::JoinHandle<u32>,
}

impl Bystander {
    fn start(broker: &Broker) -> Self {
        let mut wire = broker.connect();
        talk::create_topic(&mut wire, "bystander", 1, &[]);
        let (stop, slowest_ms) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, slowest) = (Arc::clone(&stop), Arc::clone(&slowest_ms));
        let thread = thread::spawn(move || {
            let mut rounds = 0;
            while !stopped.load(Ordering::Relaxed) {
                let started = Instant::now();
                let value = format!("round {rounds}");
                let base = talk::produce(&mut wire, "bystander", 0, talk::batch_of(&[value.as_bytes()])).unwrap();
                let read = talk::read(&mut wire, "bystander", 0, base, base + 1);
                assert_eq!(read[0].value.as_deref(), Some(value.as_bytes()));
                slowest.fetch_max(started.elapsed().as_millis() as u64, Ordering::Relaxed);
                rounds += 1;
                thread::sleep(Duration::from_millis(2));
            }
            rounds
        });
        Self { stop, slowest_ms, thread }
    }

    /// Ends the client and fails if it was disturbed.
    fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        let rounds = self.thread.join().expect("the bystander was disturbed");
        let slowest = self.slowest_ms.load(Ordering::Relaxed);
        eprintln!("bystander: {rounds} rounds, slowest {slowest} ms");
        assert!(rounds > 0 && slowest < 5000, "the bystander waited {slowest} ms");
    }
}

/// Runs `attack` beside a bystander and checks memory before and after.
fn withstands(overrides: &[&str], attack: impl FnOnce(&mut Broker)) {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let mut broker = Broker::start(overrides);
    let bystander = Bystander::start(&broker);
    let before = broker.process().resident_bytes();
    attack(&mut broker);
    let growth = broker.process().resident_bytes().saturating_sub(before);
    bystander.finish();
    broker.must_answer();
    eprintln!("memory grew by {} MB", growth >> 20);
    assert!(growth < GROWTH_BYTES_MAX, "memory grew by {} MB", growth >> 20);
    assert!(!broker.log().contains("panicked"), "{}", broker.log());
}

/// A connection that gives up soon.
fn impatient(broker: &Broker) -> Wire {
    let mut wire = broker.connect();
    wire.set_patience(Duration::from_millis(2000));
    wire
}

/// Sends bytes, ends the stream, and fails if the broker neither answers nor closes.
fn send_and_hang_up(broker: &Broker, what: &str, bytes: &[u8]) {
    let mut wire = impatient(broker);
    // The broker may close the connection while we send.
    let _ = wire.send_raw(bytes);
    wire.end_sending();
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut sink = [0; 4096];
    while wire.read_some(&mut sink).is_ok_and(|read| read > 0) {
        assert!(Instant::now() < deadline, "{what}: the broker does not stop answering");
    }
    assert!(Instant::now() < deadline, "{what}: the broker does not close the connection");
}

#[test]
fn bytes_that_are_no_protocol_close_the_connection() {
    withstands(&[], |broker| {
        let cases: [(&str, &[u8]); 9] = [
            ("HTTP", b"GET /metrics HTTP/1.1\r\nHost: localhost:9092\r\nAccept: */*\r\n\r\n"),
            ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
            ("TLS", &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
            ("zeros", &[0; 64]),
            ("ones", &[0xff; 64]),
            ("a text", b"hello, is anybody there?\n"),
            ("a lone byte", b"x"),
            ("nothing", b""),
        ];
        for (what, bytes) in cases {
            send_and_hang_up(broker, what, bytes);
        }
        let mut dice = Dice(0x5eed_0001);
        for at in 0..300 {
            let len = dice.below(2000);
            let bytes = dice.bytes(len);
            send_and_hang_up(broker, &format!("random bytes {at}"), &bytes);
            // The same as a frame of the right length: then it is the header and the body that are wrong.
            let frame = [&(len as u32).to_be_bytes()[..], &bytes].concat();
            send_and_hang_up(broker, &format!("a random frame {at}"), &frame);
        }
    });
}

#[test]
fn a_frame_above_the_limit_names_the_setting() {
    withstands(&["socket.request.max.bytes=100000"], |broker| {
        for length in [100_001u32, 1 << 30, i32::MAX as u32, 1 << 31, u32::MAX] {
            let mut wire = impatient(broker);
            wire.send_raw(&length.to_be_bytes()).unwrap();
            assert!(wire.is_closed(), "a frame of {length} bytes is refused at once");
        }
        // A frame of just the limit is read: it is no request, but of the right size.
        let mut wire = impatient(broker);
        wire.send_frame(&vec![0; 100_000]).unwrap();
        wire.end_sending();
        assert!(wire.is_closed());
        let log = broker.log();
        assert!(log.contains("socket.request.max.bytes") && log.contains("100000"), "the log names limit and setting:\n{log}");
    });
}

/// The header of a request, as all clients write it.
fn header_of(info: &ApiInfo, version: i16) -> Vec<u8> {
    let mut header = [&info.key.code().to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1, 0, 1, b'c']].concat();
    if info.is_flexible(version) {
        header.push(0);
    }
    header
}

#[test]
fn counts_that_lie_cost_no_memory() {
    withstands(&[], |broker| {
        // Arrays, strings and bytes that claim to be as long as numbers go, in both encodings, at every place a body may have one.
        let claims: [&[u8]; 6] = [
            &[0x7f, 0xff, 0xff, 0xff],
            &[0xff, 0xff, 0xff, 0xff, 0x07],
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0x00, 0xff, 0xff, 0xff],
            &[0xff, 0xff, 0xff, 0x07],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
        ];
        for info in SERVED {
            for version in info.versions.clone() {
                for claim in claims {
                    for zeros in [0, 1, 2, 3, 4, 8, 16] {
                        let mut frame = header_of(info, version);
                        frame.extend(std::iter::repeat_n(0, zeros));
                        frame.extend(claim.repeat(6));
                        let frame = [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
                        let mut wire = broker.connect();
                        let _ = wire.send_raw(&frame);
                        wire.end_sending();
                    }
                }
            }
        }
        // A large frame of many small elements: what it claims is true, and still bounded.
        for (key, version, element) in [(3u8, 1u8, &[0u8, 1, b'x'][..]), (3, 12, &[0; 18]), (37, 0, &[0, 1, b'x', 0, 0, 0, 9, 0, 0, 0, 0])] {
            let count = (8 << 20) / element.len();
            let mut frame = vec![0, key, 0, version, 0, 0, 0, 1, 0, 1, b'c'];
            if version == 12 {
                frame.extend([0, 0x80, 0x80, 0x80, 0x04]);
            } else {
                frame.extend((count as u32).to_be_bytes());
            }
            for _ in 0..count {
                frame.extend_from_slice(element);
            }
            frame.extend([0; 8]);
            let frame = [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
            send_and_hang_up(broker, &format!("{count} elements for key {key}"), &frame);
        }
    });
}

/// Good requests, as the start of bad ones.
fn good_frames() -> Vec<Vec<u8>> {
    let topic = MetadataRequestTopic { name: Some(Text::from("bystander")), ..MetadataRequestTopic::default() };
    let metadata = MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..MetadataRequest::default() };
    let creatable = CreatableTopic { name: Text::from("bystander"), num_partitions: 1, replication_factor: 1, ..CreatableTopic::default() };
    let create = CreateTopicsRequest { topics: vec![creatable], validate_only: true, ..CreateTopicsRequest::default() };
    let produce = talk::produce_request("fuzzed", -1, vec![(0, talk::batch_of(&[b"one", b"two", b"three"]))]);
    let fetch = talk::fetch_request("fuzzed", 0, 0, 1 << 20);
    let id = Some(Text::from("it"));
    let mut frames = Vec::new();
    for version in [0, 3, 4] {
        frames.push(header::request_frame(1, id.clone(), &ApiVersionsRequest::default(), version).unwrap().to_vec());
    }
    for version in [4, 9, 12] {
        frames.push(header::request_frame(1, id.clone(), &metadata, version).unwrap().to_vec());
    }
    for version in [2, 7] {
        frames.push(header::request_frame(1, id.clone(), &create, version).unwrap().to_vec());
    }
    for version in [3, 8, 9, 12] {
        frames.push(header::request_frame(1, id.clone(), &produce, version).unwrap().to_vec());
    }
    for version in [4, 11, 12] {
        frames.push(header::request_frame(1, id.clone(), &fetch, version).unwrap().to_vec());
    }
    for info in SERVED {
        for version in info.versions.clone() {
            let mut frame = header_of(info, version);
            frame.extend([0; 40]);
            frames.push([&(frame.len() as u32).to_be_bytes()[..], &frame].concat());
        }
    }
    frames
}

#[test]
fn damaged_requests_disturb_nobody() {
    withstands(&["auto.create.topics.enable=false"], |broker| {
        talk::create_topic(&mut broker.connect(), "fuzzed", 1, &[]);
        let (frames, mut dice) = (good_frames(), Dice(0x5eed_0002));
        for at in 0..3000 {
            let mut frame = frames[dice.below(frames.len())].clone();
            for _ in 0..=dice.below(3) {
                let place = 4 + dice.below(frame.len() - 4);
                match dice.below(4) {
                    0 => frame[place] = dice.roll() as u8,
                    1 => frame[place] ^= 1 << dice.below(8),
                    2 => frame.truncate(place.max(5)),
                    _ => frame.splice(place..place, [dice.roll() as u8, 0xff]).for_each(drop),
                }
            }
            // Half of them claim the length they have; of the others the broker gets less or more than announced.
            if at % 2 == 0 {
                let len = (frame.len() - 4) as u32;
                frame[..4].copy_from_slice(&len.to_be_bytes());
            }
            let mut wire = broker.connect();
            let _ = wire.send_raw(&frame);
            wire.end_sending();
            if at % 50 == 0 {
                wire.set_patience(Duration::from_secs(10));
                let mut sink = [0; 65536];
                while wire.read_some(&mut sink).is_ok_and(|read| read > 0) {}
            }
        }
    });
}

#[test]
fn clients_that_stop_half_way_are_let_go() {
    withstands(&["corelog.frame.deadline.ms=1000"], |broker| {
        let mut wires: Vec<Wire> = (0..200).map(|_| broker.connect()).collect();
        for (at, wire) in wires.iter_mut().enumerate() {
            // Half of them announce much and send little; the others stop inside the length.
            let bytes: &[u8] = if at % 2 == 0 { &[0, 0x10, 0, 0, 0, 0, 0, 9] } else { &[0, 0] };
            wire.send_raw(bytes).unwrap();
        }
        let started = Instant::now();
        for wire in &mut wires {
            wire.set_patience(Duration::from_secs(10));
            assert!(wire.is_closed(), "a frame that does not end");
        }
        assert!(started.elapsed() > Duration::from_millis(500), "clients get their second: {:?}", started.elapsed());
        let log = broker.log();
        assert!(log.contains("corelog.frame.deadline.ms"), "the log names the setting:\n{log}");
    });
}

#[test]
fn clients_that_never_read_cost_little() {
    withstands(&["corelog.response.deadline.ms=2000"], |broker| {
        let mut wire = broker.connect();
        talk::create_topic(&mut wire, "large", 1, &[]);
        let value = vec![b'x'; 900_000];
        for _ in 0..16 {
            talk::produce(&mut wire, "large", 0, talk::batch_of(&[&value])).unwrap();
        }
        let before = broker.process().resident_bytes();
        let mut wires: Vec<Wire> = (0..24).map(|_| impatient(broker)).collect();
        for wire in &mut wires {
            for _ in 0..64 {
                // The broker may stop reading, or close the connection, before all is sent.
                if wire.send(&talk::fetch_request("large", 0, 0, 8 << 20), talk::FETCH_VERSION).is_err() {
                    break;
                }
            }
        }
        thread::sleep(Duration::from_millis(500));
        let growth = broker.process().resident_bytes().saturating_sub(before);
        assert!(growth < GROWTH_BYTES_MAX, "answers that nobody reads take {} MB", growth >> 20);
        thread::sleep(Duration::from_secs(4));
        for wire in &mut wires {
            // What was sent before the deadline may still be on its way; after it comes the end.
            let deadline = Instant::now() + Duration::from_secs(10);
            let mut sink = vec![0; 1 << 20];
            while wire.read_some(&mut sink).is_ok_and(|read| read > 0) {
                assert!(Instant::now() < deadline, "a client that does not read is not let go");
            }
        }
        let log = broker.log();
        assert!(log.contains("corelog.response.deadline.ms"), "the log names the setting:\n{log}");
    });
}

#[test]
fn a_batch_that_grows_without_end_is_refused() {
    withstands(&["corelog.decompressed.bytes.max=16777216"], |broker| {
        let mut wire = broker.connect();
        talk::create_topic(&mut wire, "bombed", 1, &[]);
        talk::create_topic(&mut wire, "unpacked", 1, &[("compression.type", "uncompressed")]);
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            // A record whose value is 200 MB of zeros; snappy cannot make that small enough to be sent.
            let mut builder = BatchBuilder::new().compressed(codec, None);
            let len = if codec == Codec::Snappy { 18 << 20 } else { 200 << 20 };
            builder.push(talk::now_ms(), None, Some(&vec![0; len]), &[]);
            let bomb = builder.build().unwrap();
            eprintln!("{codec:?}: {len} bytes in {}", bomb.len());
            for topic in ["bombed", "unpacked"] {
                let refused = talk::produce(&mut wire, topic, 0, bomb.clone());
                assert!(refused.is_err(), "{codec:?} to {topic}: a bomb was taken: {refused:?}");
            }
        }
        // Not a batch at all inside: 100 MB of zeros as the stream of records.
        let stream = compression::compress(Codec::Zstd, None, &vec![0; 100 << 20]).unwrap();
        let mut batch = BatchBuilder::new().compressed(Codec::Zstd, None).push(talk::now_ms(), None, Some(b"x"), &[]).build().unwrap().to_vec();
        batch.truncate(61);
        batch.extend_from_slice(&stream);
        let length = (batch.len() - 12) as u32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        assert!(talk::produce(&mut wire, "bombed", 0, batch.into()).is_err());
        assert_eq!(talk::list_offset(&mut wire, "bombed", 0, -1), 0, "nothing of it was written");
    });
}

#[test]
fn connections_above_the_limit_are_refused() {
    withstands(&["max.connections=40"], |broker| {
        // The bystander has one; the broker may count one that just closed.
        let mut wires: Vec<Wire> = (0..100).filter_map(|_| Wire::connect(broker.port()).ok()).collect();
        thread::sleep(Duration::from_millis(300));
        let mut open = 0;
        for wire in &mut wires {
            wire.set_patience(Duration::from_millis(50));
            open += usize::from(!wire.is_closed());
        }
        assert!((20..=40).contains(&open), "{open} of 100 connections stand");
        let log = broker.log();
        assert!(log.contains("max.connections"), "the log names the setting:\n{log}");
        drop(wires);
        thread::sleep(Duration::from_millis(300));
    });
}
