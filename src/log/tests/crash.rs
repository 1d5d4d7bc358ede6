//! Starts after crashes: torn writes, damage, and what a second start makes of it.

use std::os::unix::fs::FileExt;

use super::*;

const LOG: &str = "00000000000000000000.log";
const SECTOR: u64 = 512;

fn change(path: &Path, position: u64, bytes: &[u8]) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, position).unwrap();
}

/// Whatever sectors of the last write a power loss keeps, what was durable is read back, and the log goes on from there.
#[test]
fn a_torn_write_takes_nothing_that_was_durable() {
    on_shard(async |mut fixture| {
        let mut log = fixture.open().await;
        for number in 0..7 {
            append(&mut log, batch(number, 3, 300)).await;
        }
        let durable = log.durable_end();
        let whole = read_from(log.view(), Offset::ZERO, 1 << 20).await;
        for number in 7..11 {
            log.stage(batch(number, 3, 700), EPOCH, NOW_MS).unwrap();
        }
        let outcome = log.take_write().unwrap().execute().await;
        log.complete_write(outcome).unwrap();
        let end = whole.len() as u64 + log.view().bytes_between(durable, log.end());
        let original = fixture.options.clone();
        for sector in whole.len() as u64 / SECTOR..=end / SECTOR {
            for garbage in [0_u8, 0xa5] {
                let copy = copy_of(&original.log_dir);
                fixture.options.log_dir = copy.path().to_owned();
                fixture.options.recovery_point = durable;
                let start = (sector * SECTOR).max(whole.len() as u64);
                change(&path(&fixture.options, LOG), start, &vec![garbage; ((sector + 1) * SECTOR - start) as usize]);
                let mut log = fixture.open().await;
                assert!(log.end() >= durable && log.durable_end() == log.end());
                let read = read_from(log.view(), Offset::ZERO, 1 << 20).await;
                assert_eq!(read[..whole.len()], whole);
                let base = append(&mut log, batch(50, 1, 5000)).await;
                assert_eq!(base.next(), log.end());
                drop(log);
                // A second crash right after: what was cut off must not come back.
                let log = fixture.open().await;
                assert_eq!(log.end(), base.next());
                let again = read_from(log.view(), Offset::ZERO, 1 << 20).await;
                assert_eq!(again[..read.len()], read);
            }
        }
        fixture.assert_sound();
    });
}

#[test]
fn damage_below_the_durable_offset_is_refused_and_stays_refused() {
    on_shard(async |mut fixture| {
        let mut log = fixture.open().await;
        for number in 0..5 {
            append(&mut log, batch(number, 3, 300)).await;
        }
        fixture.options.recovery_point = log.recovery_point();
        assert_eq!(fixture.options.recovery_point, Offset::saturating(15));
        drop(log);
        settle(&fixture.shared).await;
        let file = path(&fixture.options, LOG);
        let before = std::fs::read(&file).unwrap();
        change(&file, 1500, &[before[1500] ^ 1]);
        let Err(OpenError::Damaged { report, .. }) = fixture.try_open().await else {
            panic!("opened in spite of the damage");
        };
        assert!(report.contains("offset 3"), "{report}");
        change(&file, 1500, &before[1500..1501]);
        assert_eq!(std::fs::read(&file).unwrap(), before, "nothing was changed");
        // Even with the checkpoint lost, and even though the file is well again: someone must decide.
        fixture.options.recovery_point = Offset::ZERO;
        assert!(matches!(fixture.try_open().await, Err(OpenError::Damaged { .. })));
        std::fs::remove_file(path(&fixture.options, "corelog.damaged")).unwrap();
        assert_eq!(fixture.open().await.end(), Offset::saturating(15));
    });
}

#[test]
fn a_log_that_is_shorter_than_what_was_durable_is_refused() {
    on_shard(async |mut fixture| {
        let mut log = fixture.open().await;
        for number in 0..5 {
            append(&mut log, batch(number, 3, 300)).await;
        }
        fixture.options.recovery_point = log.recovery_point();
        drop(log);
        settle(&fixture.shared).await;
        change(&path(&fixture.options, LOG), 2000, &[0; 8192]);
        assert!(matches!(fixture.try_open().await, Err(OpenError::Damaged { .. })));
    });
}

/// A start after a crash reads what came after the last save, and nothing before it.
#[test]
fn a_saved_state_shortens_the_scan() {
    on_shard(async |mut fixture| {
        let mut log = fixture.open().await;
        for number in 0..30 {
            append(&mut log, batch(number, 3, 500)).await;
        }
        log.save();
        settle(&fixture.shared).await;
        let saved = log.view().size_bytes();
        for number in 30..35 {
            append(&mut log, batch(number, 3, 500)).await;
        }
        let whole = read_from(log.view(), Offset::ZERO, 1 << 20).await;
        let copy = copy_of(&fixture.options.log_dir);
        fixture.options.log_dir = copy.path().to_owned();
        let reopened = fixture.open().await;
        assert_eq!(reopened.end(), log.end());
        assert_eq!(read_from(reopened.view(), Offset::ZERO, 3000).await, whole);
        assert_eq!(reopened.epochs(), log.epochs());
        drop(reopened);
        // Damage before the saved offset is not even looked at; damage behind it is a torn tail.
        let copy = copy_of(&fixture.options.log_dir);
        fixture.options.log_dir = copy.path().to_owned();
        change(&path(&fixture.options, LOG), 100, b"damage");
        change(&path(&fixture.options, LOG), saved + 100, b"damage");
        let reopened = fixture.open().await;
        assert_eq!(reopened.end(), Offset::saturating(90));
        fixture.assert_sound();
    });
}

#[test]
fn producers_are_known_after_a_crash() {
    use crate::{
        log::Verdict,
        types::{ProducerEpoch, ProducerId},
    };
    let produced = |sequence: i32| {
        let mut builder = BatchBuilder::new().producer(ProducerId(9), ProducerEpoch(1), Some(sequence));
        for _ in 0..4 {
            builder.push(NOW_MS, None, Some(&[b'v'; 4000]), &[]);
        }
        CheckedBatch::verified(builder.build().unwrap()).unwrap()
    };
    on_shard(async move |mut fixture| {
        fixture.options.settings.segment_bytes = 100_000;
        let mut log = fixture.open().await;
        for number in 0..20 {
            append(&mut log, produced(number * 4)).await;
        }
        assert!(log.view().segment_count() > 2);
        settle(&fixture.shared).await;
        let copy = copy_of(&fixture.options.log_dir);
        fixture.options.log_dir = copy.path().to_owned();
        // By snapshot and replay, by replay of everything, and by the state.
        for recovery_point in [log.recovery_point(), Offset::ZERO] {
            fixture.options.recovery_point = recovery_point;
            let again = fixture.open().await;
            let (known, all) = (again.producers().get(ProducerId(9)).unwrap(), log.producers().get(ProducerId(9)).unwrap());
            assert!(all.batches().ends_with(known.batches()) && known.last().is_some());
            assert_eq!(known.batches().len() == 5, recovery_point == Offset::ZERO, "a snapshot has only the last one");
            let check = |batch: CheckedBatch| again.producers().check(batch.header());
            assert_eq!(check(produced(80)), Ok(Verdict::Append));
            assert!(matches!(check(produced(76)), Ok(Verdict::Duplicate(batch)) if batch.base_offset() == Offset::saturating(76)));
            assert!(check(produced(84)).is_err());
        }
        fixture.assert_sound();
    });
}

/// A crash between the roll and the sealing of the old segment.
#[test]
fn segments_that_were_not_sealed_are_sealed_by_the_next_start() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = 20_000;
        let mut log = fixture.open().await;
        for number in 0..20 {
            log.stage(batch(number, 2, 1500), EPOCH, NOW_MS).unwrap();
        }
        persist(&mut log).await;
        let whole = read_from(log.view(), Offset::ZERO, 1 << 20).await;
        let copy = copy_of(&fixture.options.log_dir);
        let unsealed = log.recovery_point();
        fixture.options.log_dir = copy.path().to_owned();
        fixture.options.recovery_point = unsealed;
        let again = fixture.open().await;
        assert_eq!(read_from(again.view(), Offset::ZERO, 1 << 20).await, whole);
        settle(&fixture.shared).await;
        assert_eq!(again.recovery_point(), again.end());
        let sizes: u64 = names(&fixture.options)
            .iter()
            .filter(|name| name.ends_with(".log"))
            .map(|name| std::fs::metadata(path(&fixture.options, name)).unwrap().len())
            .sum();
        assert!(sizes < whole.len() as u64 + 4096, "sealed segments are trimmed: {sizes}");
        fixture.assert_sound();
    });
}

#[test]
fn leftovers_are_cleared_away() {
    on_shard(async |mut fixture| {
        let mut log = fixture.open().await;
        append(&mut log, batch(0, 3, 10)).await;
        log.close().await.unwrap();
        for name in ["00000000000000000000.log.deleted", "00000000000000000000.index.cleaned", "corelog-next.deleted", "00000000000000000099.snapshot"] {
            std::fs::write(path(&fixture.options, name), b"x").unwrap();
        }
        // A compaction that was interrupted while it took the place of the segment.
        std::fs::copy(path(&fixture.options, LOG), path(&fixture.options, &format!("{LOG}.swap"))).unwrap();
        std::fs::write(path(&fixture.options, LOG), b"half").unwrap();
        let log = fixture.open().await;
        assert_eq!(log.end(), Offset::saturating(3));
        let left: Vec<_> = names(&fixture.options).into_iter().filter(|name| name.contains("deleted") || name.contains("swap") || name.contains("99")).collect();
        assert!(left.is_empty(), "{left:?}");
        fixture.assert_sound();
    });
}

#[test]
fn the_folder_of_another_topic_is_not_taken_over() {
    on_shard(async |mut fixture| {
        let mut log = fixture.open().await;
        append(&mut log, batch(0, 3, 10)).await;
        log.close().await.unwrap();
        fixture.options.topic_id = Uuid([9; 16]);
        assert!(matches!(fixture.try_open().await, Err(OpenError::OtherTopic { found: Some(TOPIC_ID), .. })));
        std::fs::remove_file(path(&fixture.options, "partition.metadata")).unwrap();
        assert!(matches!(fixture.try_open().await, Err(OpenError::OtherTopic { found: None, .. })));
    });
}
