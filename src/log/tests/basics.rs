//! Append, read, roll, close and open again.

use super::*;

#[test]
fn what_is_appended_can_be_read_and_survives_a_clean_stop() {
    on_shard(async |mut fixture| {
        let mut log = fixture.open().await;
        for number in 0..20 {
            assert_eq!(append(&mut log, batch(number, 5, 100)).await, Offset::saturating(number * 5));
        }
        let whole = read_from(log.view(), Offset::ZERO, 1 << 20).await;
        assert_eq!(values(&whole).len(), 100);
        assert!(log.view().plan_read(Offset::ZERO, Offset::MAX, 1 << 20, true).unwrap().is_ready(), "from the cache");
        log.close().await.unwrap();
        fixture.options.clean = true;
        let mut log = fixture.open().await;
        assert_eq!(log.end(), Offset::saturating(100));
        assert!(!log.view().plan_read(Offset::ZERO, Offset::MAX, 1 << 20, true).unwrap().is_ready(), "from the file");
        assert_eq!(read_from(log.view(), Offset::ZERO, 1 << 20).await, whole);
        append(&mut log, batch(20, 5, 100)).await;
        let more = read_from(log.view(), Offset::ZERO, 300).await;
        assert_eq!(more[..whole.len()], whole);
        assert_eq!(values(&more).len(), 105);
        fixture.assert_sound();
    });
}

#[test]
fn background_work_that_panics_is_a_failure_of_the_directory() {
    on_shard(async |fixture| {
        let log = fixture.open().await;
        log.in_background("nothing", async { panic!("on purpose") });
        let failure = fixture.failed.recv().await.unwrap();
        assert_eq!((failure.doing, failure.error.to_string().as_str()), ("nothing", "it panicked"));
        assert_eq!(fixture.shared.background_work(), 0);
    });
}
