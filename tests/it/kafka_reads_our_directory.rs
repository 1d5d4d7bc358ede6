//! The log directory is one of Kafka's: its tools read our files, and Kafka itself starts on them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use corelog::record::Codec;

use crate::support::{
    Broker, Kafka, Wire, broker, kafka,
    talk::{self, Consumed},
    turn,
};

/// Topics by name and partitions, with the codec of what is written there.
const TOPICS: &[(&str, i32, Codec)] =
    &[("plain", 3, Codec::None), ("gzipped", 1, Codec::Gzip), ("snapped", 1, Codec::Snappy), ("lz4ed", 1, Codec::Lz4), ("zstded", 2, Codec::Zstd)];

/// Fills every partition over several segments, some by idempotent producers; one topic stays empty and one is deleted from.
fn fill(wire: &mut Wire) {
    talk::create_topic(wire, "empty", 2, &[]);
    for (topic, partitions, codec) in TOPICS {
        talk::create_topic(wire, topic, *partitions, &[("segment.bytes", "1048576"), ("retention.ms", "864000000")]);
        let producer = talk::producer_id(wire);
        for partition in 0..*partitions {
            let mut sequence = 0;
            for batch in 0..40u32 {
                let mut builder = corelog::record::BatchBuilder::new().compressed(*codec, None);
                if partition == 0 {
                    builder = builder.producer(corelog::types::ProducerId(producer.0), corelog::types::ProducerEpoch(producer.1), Some(sequence));
                }
                for record in 0..8u32 {
                    let key = format!("{topic} {partition} {batch} {record}");
                    builder.push(talk::now_ms() - 1_000_000 + i64::from(batch * 1000 + record), Some(key.as_bytes()), Some(&noise(batch * 8 + record, 8000)), &[(b"h", None)]);
                    sequence += 1;
                }
                talk::produce(wire, topic, partition, builder.build().unwrap()).unwrap();
            }
        }
    }
}

/// Bytes that do not compress, so that every topic fills segments.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Every record of every partition.
fn everything(wire: &mut Wire) -> BTreeMap<(String, i32), Vec<Consumed>> {
    let mut all = BTreeMap::new();
    for (topic, partitions) in talk::topics(wire) {
        for partition in 0..partitions {
            let [start, end] = [-2, -1].map(|place| talk::list_offset(wire, &topic, partition, place));
            all.insert((topic.clone(), partition), talk::read(wire, &topic, partition, start, end));
        }
    }
    all
}

/// Files of a folder with an ending, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    found.sort();
    found
}

/// Runs DumpLogSegments and fails on anything that it complains about.
fn dump(files: &[PathBuf], arguments: &[&str]) -> String {
    let list: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let list = list.join(",");
    let mut all = vec!["--files", &list];
    all.extend(arguments);
    let output = kafka::tool("org.apache.kafka.tools.DumpLogSegments", &all);
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "DumpLogSegments {all:?}:\n{out}\n{err}");
    // The tool takes the first offset of every file that does not begin at 0 for a gap after -1.
    let lines: Vec<&str> = out.lines().chain(err.lines()).collect();
    let is_gap = |at: usize| !lines.get(at + 1).is_some_and(|line| line.trim_start().starts_with("-1 is followed by"));
    let told: Vec<&str> =
        lines.iter().enumerate().filter(|(at, line)| !line.starts_with("Non-consecutive") || is_gap(*at)).map(|(_, line)| *line).collect();
    for complaint in ["ismatch", "Non-consecutive", "Found ", "orrupt", "xception", "rror"] {
        // With what follows: the tool names the offsets after the file.
        let found: Vec<&&str> =
            told.iter().skip_while(|line| !line.contains(complaint) || line.contains("payload")).take(4).collect();
        assert!(found.is_empty(), "DumpLogSegments {all:?}: {found:#?}");
    }
    out
}

#[test]
fn dump_log_segments_reads_what_we_wrote() {
    if !broker::serves() || !kafka::installed() {
        return;
    }
    let (_machine, _jvm) = (turn::shared(), turn::jvm());
    let mut broker = Broker::start(&[]);
    fill(&mut broker.connect());
    broker.stop();
    for topic in ["plain-0", "zstded-1"] {
        let folder = broker.data().join(topic);
        let segments = files(&folder, "log");
        assert!(segments.len() >= 2, "{topic} has a sealed segment: {segments:?}");
        let sealed = &segments[..segments.len() - 1];
        let text = dump(sealed, &["--print-data-log", "--deep-iteration"]);
        let records = text.lines().filter(|line| line.contains("| offset: ")).count();
        assert!(records > 0 && text.contains("isvalid: true") && !text.contains("isvalid: false"), "{topic}: {records} records");
        // The sealed segments are exactly their batches: the next begins where they end.
        let next = segments[sealed.len()].file_stem().unwrap().to_string_lossy().parse::<usize>().unwrap();
        assert_eq!(records, next, "{topic}: records before the last segment");
        for segment in sealed {
            assert_eq!(fs::metadata(segment).unwrap().len() as usize, dumped_bytes(&dump(std::slice::from_ref(segment), &[])), "{}", segment.display());
        }
        for ending in ["index", "timeindex"] {
            let indexes = files(&folder, ending);
            assert!(indexes.len() + 1 >= segments.len(), "{topic} has an .{ending} for every sealed segment");
            let sealed = &indexes[..segments.len() - 1];
            dump(sealed, &["--index-sanity-check"]);
            let entries = dump(sealed, &[]);
            assert!(entries.contains("offset: "), "{topic}: .{ending} has entries:\n{entries}");
        }
    }
    let snapshots = files(&broker.data().join("plain-0"), "snapshot");
    let text = dump(&snapshots, &[]);
    assert!(text.contains("producerId: "), "the snapshots name the producer:\n{text}");
    let metadata = files(&broker.data().join("__cluster_metadata-0"), "log");
    let text = dump(&metadata, &["--cluster-metadata-decoder"]);
    for record in ["REGISTER_BROKER_RECORD", "TOPIC_RECORD", "PARTITION_RECORD", "CONFIG_RECORD", "FEATURE_LEVEL_RECORD", "LeaderChange"] {
        assert!(text.contains(record), "the metadata log shows {record}:\n{text}");
    }
    let snapshots = files(&broker.data().join("__cluster_metadata-0"), "checkpoint");
    if !snapshots.is_empty() {
        dump(&snapshots, &["--cluster-metadata-decoder"]);
    }
}

/// Where the last batch that was dumped ends.
fn dumped_bytes(text: &str) -> usize {
    let last = text.lines().rfind(|line| line.starts_with("baseOffset: ")).unwrap_or_default();
    let word = |name: &str| -> usize {
        let after = last.split(name).nth(1).unwrap_or_else(|| panic!("no {name} in {last:?}"));
        after.split_whitespace().next().unwrap().parse().unwrap()
    };
    word("position: ") + word(" size: ")
}

#[test]
fn kafka_starts_on_what_we_wrote_and_serves_it_all() {
    if !broker::serves() || !kafka::installed() {
        return;
    }
    let (_machine, _jvm) = (turn::shared(), turn::jvm());
    let mut broker = Broker::start(&[]);
    let mut wire = broker.connect();
    fill(&mut wire);
    let (topics, ours) = (talk::topics(&mut wire), everything(&mut wire));
    let ids: Vec<_> = topics.iter().map(|(topic, _)| talk::describe_topic(&mut wire, topic).topic_id).collect();
    let records: usize = ours.values().map(Vec::len).sum();
    assert_eq!(records, 8 * 40 * 8, "all that was written");
    drop(wire);
    broker.stop();
    let mut kafka = Kafka::start_on(&broker.data(), &[]);
    let mut wire = Wire::connect(kafka.port()).unwrap();
    let started = std::time::Instant::now();
    while topics.iter().any(|(topic, partitions)| talk::leaders(&mut wire, topic) < usize::try_from(*partitions).unwrap()) {
        assert!(started.elapsed().as_secs() < 30, "Kafka does not lead all partitions:\n{}", kafka.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(talk::topics(&mut wire), topics);
    let theirs: Vec<_> = topics.iter().map(|(topic, _)| talk::describe_topic(&mut wire, topic).topic_id).collect();
    assert_eq!(theirs, ids, "ids of topics");
    let found = everything(&mut wire);
    for (partition, records) in &ours {
        assert_eq!(found.get(partition).map(Vec::len), Some(records.len()), "{partition:?}");
        assert!(found.get(partition) == Some(records), "{partition:?} differs");
    }
    let base = talk::produce(&mut wire, "plain", 1, talk::batch_of(&[b"written by Kafka"])).unwrap();
    assert_eq!(base, 320, "Kafka writes on where we ended");
    let strays: Vec<_> = fs::read_dir(kafka.data()).unwrap().map(|entry| entry.unwrap().file_name()).filter(|name| name.to_string_lossy().ends_with("-stray")).collect();
    assert!(strays.is_empty(), "Kafka did not know {strays:?}");
    kafka.stop();
    eprintln!("Kafka at {} served {records} records of {} topics", kafka.address(), topics.len());
}
