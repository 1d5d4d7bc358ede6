//! Random histories of one log against a list of records.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Stage some batches: sizes of their values.
    Append(Vec<usize>),
    /// Start the next write and finish it, without a flush.
    Write,
    Persist,
    /// Read from a part of the log, in permille, with a limit of bytes and an upper bound.
    Read(usize, usize, usize),
    Retain(u64),
    DeleteRecords(usize),
    Save,
    Rest,
    /// Stop cleanly and start.
    Restart,
    /// Start on a copy of the directory.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => proptest::collection::vec(0usize..3000, 1..6).prop_map(Step::Append),
        1 => Just(Step::Append(vec![20_000])),
        2 => Just(Step::Write),
        3 => Just(Step::Persist),
        4 => (0usize..1000, 1usize..8000, 0usize..1000).prop_map(|(from, bytes, upper)| Step::Read(from, bytes, upper)),
        1 => (0u64..60_000).prop_map(Step::Retain),
        1 => (0usize..1000).prop_map(Step::DeleteRecords),
        1 => Just(Step::Save),
        1 => Just(Step::Rest),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

struct Run {
    fixture: Fixture,
    log: Option<Log>,
    /// Seed of the batch that has each offset.
    model: Vec<i64>,
    seed: i64,
    copies: Vec<tempfile::TempDir>,
}

impl Run {
    fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Append(sizes) => {
                for bytes in sizes {
                    self.seed += 1;
                    let records = 1 + self.seed % 3;
                    let staged = {
                        let batch = batch(self.seed, records, bytes);
                        self.log().stage(batch, EPOCH, NOW_MS).unwrap()
                    };
                    assert_eq!(staged.base.get() as usize, self.model.len());
                    self.model.extend(std::iter::repeat_n(self.seed, records as usize));
                }
            }
            Step::Write => {
                if let Some(mut plan) = self.log().take_write() {
                    if self.seed % 2 == 0 {
                        plan.wait_in_place();
                    }
                    let outcome = plan.execute().await;
                    self.log().complete_write(outcome).unwrap();
                }
            }
            Step::Persist => persist(self.log()).await,
            Step::Read(from, bytes, upper) => self.read(from, bytes, upper).await,
            Step::Retain(bytes) => {
                let log = self.log();
                let mut settings = log.settings().clone();
                settings.retention_bytes = Some(bytes);
                log.configure(settings);
                let end = log.durable_end();
                log.apply_retention(NOW_MS, end);
            }
            Step::DeleteRecords(part) => {
                let log = self.log();
                let start = log.start().get() + (log.durable_end().since(log.start()) * part as i64) / 1000;
                log.advance_start(Offset::saturating(start));
            }
            Step::Save => self.log().save(),
            Step::Rest => self.log().rest(),
            Step::Restart => {
                persist(self.log()).await;
                settle(&self.fixture.shared).await;
                let log = self.log.take().unwrap();
                self.fixture.options.start = Some(log.start());
                self.fixture.options.recovery_point = log.end();
                log.close().await.unwrap();
                self.fixture.options.clean = true;
                self.open().await;
            }
            Step::Crash => {
                let log = self.log.take().unwrap();
                self.fixture.options.start = Some(log.start());
                self.fixture.options.recovery_point = log.recovery_point();
                let copy = copy_of(&self.fixture.options.log_dir);
                drop(log);
                self.fixture.options.log_dir = copy.path().to_owned();
                self.copies.push(copy);
                self.fixture.options.clean = false;
                self.open().await;
            }
        }
    }

    async fn open(&mut self) {
        let log = self.fixture.open().await;
        assert!(log.end() >= self.fixture.options.recovery_point);
        self.model.truncate(log.end().get() as usize);
        assert_eq!(log.end().get() as usize, self.model.len());
        let start = self.fixture.options.start.unwrap();
        assert_eq!(log.start(), start);
        self.log = Some(log);
    }

    async fn read(&mut self, from: usize, max_bytes: usize, upper: usize) {
        let view = Rc::clone(self.log().view());
        let (start, end) = (view.start().get(), view.written_end().get());
        let from = Offset::saturating(start + (end - start) * from as i64 / 1000);
        let upper = Offset::saturating(start + (end - start) * upper as i64 / 1000);
        let slices = view.plan_read(from, upper, max_bytes, true).unwrap().execute().await.unwrap();
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let batches: Vec<_> = Batches::new(&bytes).map(Result::unwrap).collect();
        assert!(bytes.len() <= max_bytes || batches.len() == 1);
        let Some(first) = batches.first() else {
            let whole_batch_fits = self.model[from.get() as usize..upper.get().max(from.get()) as usize]
                .iter()
                .any(|seed| Some(*seed) != upper_seed(&self.model, upper));
            assert!(!whole_batch_fits, "nothing read from {from} below {upper}");
            return;
        };
        assert!(first.header.base_offset <= from && first.header.last_offset() >= from);
        assert!(batches.last().unwrap().header.last_offset() < upper);
        for batch in &batches {
            batch.verify().unwrap();
        }
        for (offset, value) in values(&bytes) {
            let seed = self.model[offset.get() as usize];
            assert!(value.starts_with(format!("{seed}/").as_bytes()), "offset {offset}");
        }
    }
}

/// The batch that `upper` cuts through, if it does.
fn upper_seed(model: &[i64], upper: Offset) -> Option<i64> {
    model.get(upper.get() as usize).copied()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 16, max_shrink_iters: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_a_list_of_records(steps in proptest::collection::vec(step(), 1..40), segment_bytes in 61_000u64..120_000) {
        on_shard(async move |mut fixture| {
            fixture.options.settings.segment_bytes = segment_bytes;
            fixture.options.settings.index_interval_bytes = 1000;
            let log = fixture.open().await;
            let mut run = Run { fixture, log: Some(log), model: Vec::new(), seed: 0, copies: Vec::new() };
            for step in steps {
                run.step(step).await;
            }
            persist(run.log()).await;
            let (view, start) = (Rc::clone(run.log().view()), run.log().start());
            let all = values(&read_from(&view, start, 10_000).await);
            let first = all.iter().position(|(offset, _)| *offset >= start).unwrap_or(all.len());
            assert_eq!(all.len() - first, run.model.len() - start.get() as usize);
            run.fixture.assert_sound();
        });
    }
}
