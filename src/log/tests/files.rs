//! Segments and their files: rolling, sealing, retention, runway, descriptors.

use super::*;
use crate::{log::Deleted, runtime::task};

async fn fill(log: &mut Log, batches: std::ops::Range<i64>, bytes: usize) {
    for number in batches {
        append(log, batch(number, 2, bytes)).await;
    }
}

#[test]
fn segments_roll_by_size_and_are_sealed_in_their_final_form() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = 50_000;
        let mut log = fixture.open().await;
        fill(&mut log, 0..60, 2000).await;
        settle(&fixture.shared).await;
        let whole = read_from(log.view(), Offset::ZERO, 1 << 20).await;
        assert_eq!(values(&whole).len(), 120);
        let files = names(&fixture.options);
        let logs: Vec<_> = files.iter().filter(|name| name.ends_with(".log")).collect();
        assert_eq!(logs.len(), log.view().segment_count());
        assert!(logs.len() >= 5, "{files:?}");
        let mut bytes = Vec::new();
        for (index, name) in logs.iter().enumerate() {
            let content = std::fs::read(path(&fixture.options, name)).unwrap();
            if index + 1 < logs.len() {
                assert!(content.len() <= 50_000);
                assert!(files.contains(&name.replace(".log", ".index")) && files.contains(&name.replace(".log", ".timeindex")));
                bytes.extend_from_slice(&content);
            } else {
                bytes.extend_from_slice(&content[..whole.len() - bytes.len()]);
            }
            if index > 0 {
                assert!(files.contains(&name.replace(".log", ".snapshot")));
            }
        }
        assert!(bytes == whole, "the files hold what readers see");
        assert_eq!(log.recovery_point(), log.end());
        fixture.assert_sound();
    });
}

#[test]
fn a_log_closes_whose_last_segment_got_no_record() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_ms = 5;
        let mut log = fixture.open().await;
        fill(&mut log, 0..3, 10).await;
        let end = log.end();
        log.roll_if_old(NOW_MS + 20);
        log.close().await.unwrap();
        let log = fixture.open().await;
        assert_eq!(log.end(), end);
        assert_eq!(values(&read_from(log.view(), Offset::ZERO, 1000).await).len(), 6);
        fixture.assert_sound();
    });
}

#[test]
fn segments_roll_by_time() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_ms = 5;
        let mut log = fixture.open().await;
        fill(&mut log, 0..6, 10).await;
        assert_eq!(log.view().segment_count(), 1, "timestamps 0 to 5 ms apart");
        fill(&mut log, 6..7, 10).await;
        assert_eq!(log.view().segment_count(), 2, "6 ms apart");
        log.roll_if_old(NOW_MS + 7);
        assert_eq!(log.view().segment_count(), 2);
        log.roll_if_old(NOW_MS + 20);
        assert_eq!(log.view().segment_count(), 3, "without an append, too");
        fill(&mut log, 7..8, 10).await;
        assert_eq!(values(&read_from(log.view(), Offset::ZERO, 1000).await).len(), 16);
        assert!(log.stage(batch(0, 1, 1 << 19), EPOCH, NOW_MS).is_ok());
    });
}

#[test]
fn a_log_that_rolled_and_got_no_more_stops_cleanly() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_ms = 5;
        let mut log = fixture.open().await;
        fill(&mut log, 0..2, 10).await;
        log.roll_if_old(NOW_MS + 20);
        log.close().await.unwrap();
        fixture.options.clean = true;
        let mut log = fixture.open().await;
        assert_eq!((log.view().segment_count(), log.end()), (2, Offset::saturating(4)));
        fill(&mut log, 2..3, 10).await;
        assert_eq!(values(&read_from(log.view(), Offset::ZERO, 1000).await).len(), 6);
        fixture.assert_sound();
    });
}

#[test]
fn a_batch_larger_than_a_segment_is_refused() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = 5000;
        let mut log = fixture.open().await;
        assert!(matches!(log.stage(batch(0, 1, 5000), EPOCH, NOW_MS), Err(crate::log::AppendError::LargerThanSegment { .. })));
        assert_eq!(append(&mut log, batch(0, 1, 4000)).await, Offset::ZERO);
    });
}

#[test]
fn retention_deletes_whole_segments_by_age_and_size() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = 20_000;
        let mut log = fixture.open().await;
        fill(&mut log, 0..50, 2000).await;
        settle(&fixture.shared).await;
        let (count, size) = (log.view().segment_count(), log.view().size_bytes());
        let all = log.end();
        let mut settings = log.settings().clone();
        settings.retention_ms = Some(1000);
        log.configure(settings.clone());
        assert_eq!(log.apply_retention(NOW_MS + 1000, all), Deleted::default(), "nothing is older than a second");
        let deleted = log.apply_retention(NOW_MS + 1010, all);
        assert!(deleted.segments > 0 && log.view().segment_count() + deleted.segments == count);
        assert!(log.start() > Offset::ZERO);
        assert!(log.view().plan_read(Offset::ZERO, all, 1000, true).is_err());
        settings.retention_ms = None;
        settings.retention_bytes = Some(size / 4);
        log.configure(settings.clone());
        assert_eq!(log.apply_retention(NOW_MS, log.start()), Deleted::default(), "not above the high watermark");
        log.apply_retention(NOW_MS, all);
        assert!(log.view().size_bytes() < size / 4 + 20_000 && log.view().size_bytes() >= size / 4);
        // All is too old: a new, empty segment goes on with the offsets.
        settings.retention_bytes = None;
        settings.retention_ms = Some(1000);
        log.configure(settings);
        log.apply_retention(NOW_MS + 1_000_000, all);
        assert_eq!((log.start(), log.view().size_bytes()), (all, 0));
        settle(&fixture.shared).await;
        let logs = names(&fixture.options).into_iter().filter(|name| name.contains(".log")).count();
        assert!(logs <= 1, "{:?}", names(&fixture.options));
        assert_eq!(append(&mut log, batch(0, 1, 10)).await, all);
        log.close().await.unwrap();
        fixture.options.clean = true;
        let log = fixture.open().await;
        assert_eq!((log.start(), log.end()), (all, all.next()));
        fixture.assert_sound();
    });
}

#[test]
fn records_are_deleted_up_to_an_offset() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = 20_000;
        let mut log = fixture.open().await;
        fill(&mut log, 0..20, 2000).await;
        settle(&fixture.shared).await;
        let segments = log.view().segment_count();
        assert_eq!(log.advance_start(Offset::saturating(3)), Offset::saturating(3));
        assert_eq!(log.view().segment_count(), segments, "its segment has records that stay");
        assert!(log.view().plan_read(Offset::saturating(2), Offset::MAX, 1000, true).is_err());
        assert_eq!(log.advance_start(Offset::saturating(25)), Offset::saturating(25));
        assert!(log.view().segment_count() < segments);
        assert_eq!(log.advance_start(Offset::saturating(1)), Offset::saturating(25), "never back");
        log.close().await.unwrap();
        fixture.options.start = Some(Offset::saturating(25));
        fixture.options.clean = true;
        let log = fixture.open().await;
        assert_eq!(log.start(), Offset::saturating(25));
        assert_eq!(values(&read_from(log.view(), Offset::saturating(26), 1000).await).first().unwrap().0, Offset::saturating(26));
        fixture.assert_sound();
    });
}

#[test]
fn a_read_in_flight_survives_the_deletion_of_its_segment() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = 20_000;
        let mut log = fixture.open().await;
        fill(&mut log, 0..20, 2000).await;
        log.close().await.unwrap();
        fixture.options.clean = true;
        let mut log = fixture.open().await;
        // The file is open, then; a plan that has not begun may find its segment gone.
        read_from(log.view(), Offset::ZERO, 4000).await;
        let plan = log.view().plan_read(Offset::ZERO, Offset::MAX, 1 << 20, true).unwrap();
        let late = log.view().plan_read(Offset::saturating(10), Offset::MAX, 1 << 20, true).unwrap();
        log.advance_start(Offset::saturating(30));
        settle(&fixture.shared).await;
        let slices = plan.execute().await.unwrap();
        assert_eq!(values(&slices[0]).first().unwrap().0, Offset::ZERO);
        late.execute().await.unwrap();
        fixture.assert_sound();
    });
}

#[test]
fn few_descriptors_serve_many_segments() {
    on_shard(async |mut fixture| {
        fixture.limit(&SharedLimits { open_files: 3, cache_bytes: 0, index_bytes: 1, background: 1, ..SharedLimits::default() });
        fixture.options.settings.segment_bytes = 8_000;
        let mut log = fixture.open().await;
        fill(&mut log, 0..40, 1500).await;
        settle(&fixture.shared).await;
        let folder = fixture.options.log_dir.clone();
        let open = move || {
            std::fs::read_dir("/proc/self/fd")
                .unwrap()
                .filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok())
                .filter(|target| target.starts_with(&folder))
                .count()
        };
        let whole = read_from(log.view(), Offset::ZERO, 1 << 20).await;
        assert_eq!(values(&whole).len(), 80);
        settle(&fixture.shared).await;
        assert!(open() <= 4, "{}", open());
        assert_eq!(fixture.shared.cached_bytes(), 0);
        log.rest();
        fill(&mut log, 40..41, 1500).await;
        assert_eq!(values(&read_from(log.view(), Offset::ZERO, 5000).await).len(), 82);
        fixture.assert_sound();
    });
}

/// A writer as fast as it can, and readers that follow it, from the cache and from the files.
#[test]
fn readers_follow_a_writer() {
    on_shard(async |mut fixture| {
        fixture.limit(&SharedLimits { cache_bytes: 300_000, ..SharedLimits::default() });
        fixture.options.settings.segment_bytes = 1_000_000;
        let mut log = fixture.open().await;
        let end = Offset::saturating(3000);
        let readers: Vec<_> = [(400, 0), (20_000, 1), (1 << 20, 5)]
            .into_iter()
            .map(|(max_bytes, pause_ms)| {
                let view = Rc::clone(log.view());
                task::spawn("reader", async move {
                    let mut from = Offset::ZERO;
                    let mut seen = Vec::new();
                    while from < end {
                        let slices = view.plan_read(from, Offset::MAX, max_bytes, true).unwrap().execute().await.unwrap();
                        let part: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                        seen.extend(values(&part));
                        from = seen.last().map_or(Offset::ZERO, |(offset, _)| offset.next());
                        crate::runtime::timer::sleep(std::time::Duration::from_millis(pause_ms)).await;
                        task::yield_now().await;
                    }
                    seen
                })
            })
            .collect();
        let mut number = 0;
        while log.end() < end {
            for _ in 0..1 + number % 7 {
                log.stage(batch(number, 1, (number as usize * 37) % 3000), EPOCH, NOW_MS).unwrap();
                number += 1;
            }
            persist(&mut log).await;
        }
        for reader in readers {
            let seen = reader.await.unwrap();
            for (index, (offset, value)) in seen.iter().enumerate() {
                assert_eq!(offset.get(), index as i64);
                assert!(value.starts_with(format!("{index}/0/").as_bytes()));
            }
        }
        assert!(fixture.shared.cached_bytes() <= 300_000);
        fixture.assert_sound();
    });
}

/// Once there is runway, appends change no metadata: one flush of the device is enough for them.
#[test]
fn appends_find_a_runway() {
    on_shard(async |mut fixture| {
        let mut log = fixture.open().await;
        append(&mut log, batch(0, 1, 100)).await;
        settle(&fixture.shared).await;
        let mut dirty = 0;
        for number in 1..200 {
            log.stage(batch(number, 1, 3000), EPOCH, NOW_MS).unwrap();
            let outcome = log.take_write().unwrap().execute().await;
            log.complete_write(outcome).unwrap();
            let request = log.flush_request().unwrap();
            dirty += usize::from(request.dirty_files().next().is_some());
            request.execute().await.unwrap();
            log.flushed(&request);
            assert!(log.flush_request().is_none());
            if number % 10 == 0 {
                settle(&fixture.shared).await;
            }
        }
        assert!(dirty <= 2, "{dirty} of 200 appends had to be flushed by themselves");
        fixture.assert_sound();
    });
}

#[test]
fn offsets_are_found_by_time() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = 30_000;
        let mut log = fixture.open().await;
        // Timestamps rise, then fall back, so that the largest is not the last.
        let time_of = |number: i64| if number < 40 { number * 10 } else { 300 - number };
        for number in 0..60 {
            append(&mut log, batch(time_of(number), 2, 1000)).await;
        }
        for _ in 0..2 {
            let view = log.view();
            for target in [-5, 0, 1, 10, 95, 390, 391, 1000] {
                let expected = (0..60).find(|number| time_of(*number) >= target);
                let found = Rc::clone(view).offset_for_timestamp(NOW_MS + target).await.unwrap();
                assert_eq!(found.map(|found| found.offset.get()), expected.map(|number| number * 2), "{target}");
                assert_eq!(found.map(|found| found.leader_epoch), expected.map(|_| Some(EPOCH)));
            }
            let largest = Rc::clone(view).largest_timestamp().await.unwrap().unwrap();
            assert_eq!((largest.timestamp, largest.offset.get()), (NOW_MS + 390, 78));
            log.close().await.unwrap();
            fixture.options.clean = true;
            log = fixture.open().await;
        }
        fixture.assert_sound();
    });
}

#[test]
fn a_follower_is_cut_back_and_goes_on() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = 20_000;
        let mut log = fixture.open().await;
        fill(&mut log, 0..30, 2000).await;
        settle(&fixture.shared).await;
        let whole = read_from(log.view(), Offset::ZERO, 1 << 20).await;
        let mut log = log.truncate(Offset::saturating(25), fixture.options.clone()).await.unwrap();
        assert_eq!(log.end(), Offset::saturating(24), "the batch of 24 and 25 is gone as a whole");
        let read = read_from(log.view(), Offset::ZERO, 1 << 20).await;
        assert_eq!(whole[..read.len()], read);
        assert_eq!(append(&mut log, batch(99, 2, 10)).await, Offset::saturating(24));
        let skipped = batch(7, 2, 10).at(Offset::saturating(50), EPOCH);
        assert!(log.stage_replica(batch(7, 2, 10).at(Offset::saturating(3), EPOCH), NOW_MS).is_err());
        assert_eq!(log.stage_replica(skipped, NOW_MS).unwrap().next, Offset::saturating(52));
        persist(&mut log).await;
        assert_eq!(values(&read_from(log.view(), Offset::saturating(26), 1 << 20).await)[0].0, Offset::saturating(50));
        fixture.assert_sound();
    });
}

#[test]
fn a_deleted_log_leaves_its_name_free() {
    on_shard(async |mut fixture| {
        let mut log = fixture.open().await;
        append(&mut log, batch(0, 1, 10)).await;
        log.delete().await.unwrap();
        fixture.options.topic_id = Uuid([9; 16]);
        let log = fixture.open().await;
        assert_eq!(log.end(), Offset::ZERO);
        settle(&fixture.shared).await;
        let folders: Vec<_> = std::fs::read_dir(&fixture.options.log_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(folders, ["orders-0"]);
        fixture.assert_sound();
    });
}

/// The folder is renamed while segments are sealed, snapshots are written and a segment is prepared in it.
#[test]
fn a_log_may_be_deleted_in_the_middle_of_its_work() {
    on_shard(async |mut fixture| {
        fixture.options.settings.segment_bytes = 20_000;
        for round in 0..40 {
            fixture.options.topic_id = Uuid([round; 16]);
            let mut log = fixture.open().await;
            fill(&mut log, 0..20 + i64::from(round % 7), 2000).await;
            log.delete().await.unwrap();
        }
        settle(&fixture.shared).await;
        assert_eq!(std::fs::read_dir(&fixture.options.log_dir).unwrap().count(), 0);
        fixture.assert_sound();
    });
}
