//! Files of deleted segments that are written to again.

use std::{collections::HashMap, os::unix::fs::MetadataExt};

use super::*;

const SEGMENT_BYTES: u64 = 80_000;

/// A batch of exactly so many bytes.
fn batch_of(seed: i64, bytes: usize) -> CheckedBatch {
    let overhead = batch(seed, 1, 1000).len() - 1000;
    let exact = batch(seed, 1, bytes - overhead);
    assert_eq!(exact.len(), bytes);
    exact
}

/// Inodes of the log's files of one kind and the names that they had, the newest last.
fn note_inodes(options: &OpenOptions, suffix: &str, seen: &mut HashMap<u64, Vec<String>>) {
    for name in names(options).into_iter().filter(|name| name.ends_with(suffix)) {
        let Ok(found) = std::fs::metadata(path(options, &name)) else { continue };
        let names = seen.entry(found.ino()).or_default();
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
}

async fn retain(log: &mut Log, fixture: &Fixture) {
    let end = log.durable_end();
    log.apply_retention(NOW_MS, end);
    settle(&fixture.shared).await;
}

/// Batches that end where blocks do, so that an old batch could follow the newest without a gap: after a crash at any
/// moment the log ends where it did, with all its records.
#[test]
fn old_batches_are_never_taken_for_new_ones() {
    for bytes in [4096, 8192, 4096 - 8, 5000] {
        on_shard(async move |mut fixture| {
            fixture.options.settings.segment_bytes = SEGMENT_BYTES;
            fixture.options.settings.retention_bytes = Some(2 * SEGMENT_BYTES);
            let mut log = fixture.open().await;
            let mut seen = HashMap::new();
            for number in 0..180 {
                append(&mut log, batch_of(1000 + number, bytes)).await;
                settle(&fixture.shared).await;
                // Once for a segment or two, so that what was needed lately is kept.
                if number % 20 == 19 {
                    retain(&mut log, &fixture).await;
                }
                note_inodes(&fixture.options, ".log", &mut seen);
                let copy = copy_of(&fixture.options.log_dir);
                let options = OpenOptions {
                    log_dir: copy.path().to_owned(),
                    start: Some(log.start()),
                    recovery_point: log.recovery_point(),
                    ..fixture.options.clone()
                };
                let reopened = Log::open(&fixture.shared, options).await.unwrap();
                assert_eq!((reopened.start(), reopened.end()), (log.start(), log.end()), "after batch {number} of {bytes} bytes");
                let start = log.start();
                assert!(read_from(reopened.view(), start, 1 << 20).await == read_from(log.view(), start, 1 << 20).await);
            }
            let reused = seen.values().filter(|names| names.len() > 1).count();
            assert!(reused >= 2, "{seen:?}");
            log.close().await.unwrap();
            let left: Vec<_> = names(&fixture.options).into_iter().filter(|name| name.ends_with(".deleted")).collect();
            assert!(left.is_empty(), "{left:?}");
            fixture.assert_sound();
        });
    }
}

/// Several segments are begun between two rounds of retention, as in a log that is written to at full speed.
#[test]
fn small_files_are_written_again() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = SEGMENT_BYTES;
        fixture.options.settings.retention_bytes = Some(2 * SEGMENT_BYTES);
        let mut log = fixture.open().await;
        let mut seen = [".index", ".timeindex", ".snapshot"].map(|suffix| (suffix, HashMap::new()));
        for number in 0..300 {
            append(&mut log, batch_of(1000 + number, 5000)).await;
            settle(&fixture.shared).await;
            seen.iter_mut().for_each(|(suffix, seen)| note_inodes(&fixture.options, suffix, seen));
            if number % 60 == 59 {
                retain(&mut log, &fixture).await;
            }
        }
        for (suffix, seen) in seen {
            let reused = seen.values().filter(|names| names.len() > 1).count();
            assert!(reused >= 3, "{suffix}: {seen:?}");
        }
        let copy = copy_of(&fixture.options.log_dir);
        let options = OpenOptions { log_dir: copy.path().to_owned(), start: Some(log.start()), recovery_point: log.recovery_point(), ..fixture.options.clone() };
        let (reopened, start) = (Log::open(&fixture.shared, options).await.unwrap(), log.start());
        assert!(read_from(reopened.view(), start, 1 << 20).await == read_from(log.view(), start, 1 << 20).await);
        log.close().await.unwrap();
        let left: Vec<_> = names(&fixture.options).into_iter().filter(|name| name.ends_with(".deleted")).collect();
        assert!(left.is_empty(), "{left:?}");
        fixture.assert_sound();
    });
}

/// A reader that still has a segment which is deleted reads what was in it, whatever is written meanwhile; and a file with a
/// second name is not written to.
#[test]
fn what_somebody_reads_is_left_alone() {
    on_shard(async |mut fixture| {
        // No tail cache: reads go to the files.
        fixture.limit(&SharedLimits { cache_bytes: 0, ..SharedLimits::default() });
        fixture.options.settings.segment_bytes = SEGMENT_BYTES;
        fixture.options.settings.retention_bytes = Some(SEGMENT_BYTES);
        let mut log = fixture.open().await;
        let mut seen = HashMap::new();
        let mut backups = Vec::new();
        for number in 0..60 {
            append(&mut log, batch_of(1000 + number, 5000)).await;
            settle(&fixture.shared).await;
            note_inodes(&fixture.options, ".log", &mut seen);
            for name in names(&fixture.options).into_iter().filter(|name| name.ends_with(".log")) {
                let backup = fixture.options.log_dir.join(format!("{name}.backup"));
                if std::fs::hard_link(path(&fixture.options, &name), &backup).is_ok() {
                    backups.push(backup);
                }
            }
            retain(&mut log, &fixture).await;
        }
        assert!(seen.len() > 3 && seen.values().all(|names| names.len() == 1), "{seen:?}");
        for backup in &backups[..backups.len() - 1] {
            let content = std::fs::read(backup).unwrap();
            let base = Batches::new(&content).next().unwrap().unwrap().header.base_offset;
            assert_eq!(backup.file_name().unwrap().to_str().unwrap(), format!("{:020}.log.backup", base.get()));
            std::fs::remove_file(backup).unwrap();
        }
        // A plan that is made and not executed yet keeps its segment.
        let start = log.start();
        let before = read_from(log.view(), start, 5000).await;
        let view = Rc::clone(log.view());
        let plan = view.plan_read(start, Offset::MAX, 5000, true).unwrap();
        for number in 60..120 {
            append(&mut log, batch_of(1000 + number, 5000)).await;
            settle(&fixture.shared).await;
            retain(&mut log, &fixture).await;
        }
        assert!(log.start() > start);
        let late: Vec<u8> = plan.execute().await.unwrap().iter().flat_map(|slice| slice.iter().copied()).collect();
        assert!(before.starts_with(&late), "either gone or as it was");
        fixture.assert_sound();
    });
}

/// The files go when nothing is written any more, and at once where space is short.
#[test]
fn unused_files_are_removed() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = SEGMENT_BYTES;
        let mut log = fixture.open().await;
        for number in 0..100 {
            append(&mut log, batch_of(1000 + number, 5000)).await;
            settle(&fixture.shared).await;
        }
        let spares = |fixture: &Fixture| names(&fixture.options).into_iter().filter(|name| name.ends_with(".log.deleted")).count();
        fixture.options.settings.retention_bytes = Some(SEGMENT_BYTES);
        log.configure(fixture.options.settings.clone());
        retain(&mut log, &fixture).await;
        assert!((1..=5).contains(&spares(&fixture)), "{}", spares(&fixture));
        retain(&mut log, &fixture).await;
        retain(&mut log, &fixture).await;
        assert_eq!(spares(&fixture), 0);
        for number in 100..200 {
            append(&mut log, batch_of(1000 + number, 5000)).await;
            settle(&fixture.shared).await;
        }
        retain(&mut log, &fixture).await;
        assert!(spares(&fixture) > 0);
        log.give_up_spares();
        retain(&mut log, &fixture).await;
        assert_eq!(spares(&fixture), 0);
        fixture.assert_sound();
    });
}
