//! Kafka's own tool reads what we write. Skipped where Java or Kafka's jars are missing.

use std::{path::PathBuf, process::Command};

use super::*;
use crate::types::{ProducerEpoch, ProducerId};

/// The jars of a Kafka distribution: `CORELOG_KAFKA_LIBS`, or where Maven artifacts are cached.
fn kafka_libs() -> Option<PathBuf> {
    let libs = match std::env::var_os("CORELOG_KAFKA_LIBS") {
        Some(libs) => PathBuf::from(libs),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache/kafka-4.3.0/libs"),
    };
    let java = Command::new("java").arg("-version").output().is_ok_and(|output| output.status.success());
    (java && libs.is_dir()).then_some(libs)
}

fn dump(libs: &Path, files: &str, flags: &[&str]) -> String {
    let output = Command::new("java")
        .args(["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(libs.join("*"))
        .args(["org.apache.kafka.tools.DumpLogSegments", "--files", files])
        .args(flags)
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn kafkas_dump_tool_finds_nothing_wrong() {
    let Some(libs) = kafka_libs() else {
        println!("skipped: no Java, or no Kafka jars");
        return;
    };
    on_shard(async move |mut fixture| {
        fixture.options.settings.segment_bytes = 100_000;
        let mut log = fixture.open().await;
        for number in 0..60 {
            append(&mut log, batch(number, 3, 800)).await;
            let mut builder = BatchBuilder::new().producer(ProducerId(4), ProducerEpoch(0), Some(number as i32 * 2));
            builder.push(NOW_MS + number, None, Some(b"a"), &[]);
            builder.push(NOW_MS - number, None, Some(b"b"), &[]);
            append(&mut log, CheckedBatch::verified(builder.build().unwrap()).unwrap()).await;
        }
        settle(&fixture.shared).await;
        log.close().await.unwrap();
        let files = names(&fixture.options);
        let of = |suffix: &str| {
            let files: Vec<_> = files
                .iter()
                .filter(|name| name.ends_with(suffix))
                .map(|name| path(&fixture.options, name).to_string_lossy().into_owned())
                .collect();
            assert!(files.len() >= 2, "{suffix}: {files:?}");
            files.join(",")
        };
        let log = dump(&libs, &of(".log"), &["--print-data-log", "--deep-iteration"]);
        assert_eq!(log.matches("baseOffset:").count(), 120, "{log}");
        assert!(!log.contains("isvalid: false"), "{log}");
        for (suffix, flags) in
            [(".index", &["--index-sanity-check"][..]), (".index", &[]), (".timeindex", &["--verify-index-only"]), (".timeindex", &[]), (".snapshot", &[])]
        {
            let text = dump(&libs, &of(suffix), flags);
            for complaint in ["Mismatches", "Found", "not match", "out of order", "Exception", "corrupt"] {
                assert!(!text.contains(complaint), "{suffix} {flags:?}: {text}");
            }
        }
        let snapshots = dump(&libs, &of(".snapshot"), &[]);
        assert!(snapshots.contains("producerId: 4") && snapshots.contains("lastSequence: 119"), "{snapshots}");
        fixture.assert_sound();
    });
}
