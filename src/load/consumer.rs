//! The consuming lane: one connection that fetches its partitions, one request at a time, as Kafka's consumer does.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::{
    client::{
        fetch::{self, FetchFrom, FetchLimits, FetchedPartition},
        wire::AnswerError,
    },
    record::{Batches, Records},
    types::{ErrorCode, limits::DECOMPRESSED_BYTES_MAX},
};

use super::{
    lane::{Context, LaneError},
    sending::SendQueue,
    tally::{Traffic, Window},
    verify::Verifier,
};

/// Where consumers of a followed log may stop, by partition; -1 until it is known.
pub(super) type Ends = Arc<[AtomicI64]>;

/// What a consumer does at the end of what it was told to read.
#[derive(Clone, Debug)]
pub(super) enum AtEnd {
    /// Begins again, until time is up.
    Wrap(i64),
    /// Stops there.
    Stop(i64),
    /// Waits for more, until time is up and everything that was written has been read.
    Follow(Ends),
}

/// One partition of a consumer.
#[derive(Clone, Debug)]
pub(super) struct Position {
    pub(super) partition: i32,
    /// Where to begin.
    pub(super) start: i64,
    /// Next offset to read.
    pub(super) next: i64,
    pub(super) at_end: AtEnd,
}

impl Position {
    fn is_finished(&self, time_is_up: bool) -> bool {
        match &self.at_end {
            AtEnd::Wrap(_) => time_is_up,
            AtEnd::Stop(end) => self.next >= *end,
            AtEnd::Follow(ends) => {
                let end = usize::try_from(self.partition).ok().and_then(|at| ends.get(at));
                end.is_none_or(|end| (0..=self.next).contains(&end.load(Ordering::Relaxed)))
            }
        }
    }
}

/// What a consumer is made of.
#[derive(Clone, Debug)]
pub(super) struct ConsumerSettings {
    pub(super) client_id: String,
    pub(super) topic: String,
    pub(super) limits: FetchLimits,
    pub(super) positions: Vec<Position>,
    /// Looks into every record; without it only batch headers are read.
    pub(super) verifier: Option<Verifier>,
}

/// See the file.
#[derive(Debug)]
pub(super) struct Consumer {
    settings: ConsumerSettings,
    correlation: i32,
    /// When the outstanding fetch was sent.
    sent_ns: Option<u64>,
    /// Partition to name first: brokers fill an answer in the order of the request.
    first: usize,
    /// A partition refused to be read: no sense in asking again.
    given_up: bool,
}

impl Consumer {
    pub(super) fn new(settings: ConsumerSettings) -> Self {
        Self { settings, correlation: 0, sent_ns: None, first: 0, given_up: false }
    }

    pub(super) fn fill(&mut self, context: &mut Context<'_>, out: &mut SendQueue) {
        if self.sent_ns.is_some() || self.is_done(context.now_ns, &context.window) {
            return;
        }
        let time_is_up = context.now_ns >= context.window.end_ns;
        let count = self.settings.positions.len();
        let wanted: Vec<FetchFrom> = (0..count)
            .map(|at| &self.settings.positions[(self.first + at) % count])
            .filter(|position| !position.is_finished(time_is_up))
            .map(|position| FetchFrom { partition: position.partition, offset: position.next })
            .collect();
        self.first = (self.first + 1) % count;
        self.correlation = self.correlation.wrapping_add(1);
        let Self { settings, correlation, .. } = self;
        let wanted = wanted.into_iter();
        out.write(|out| {
            fetch::put_request(out, *correlation, &settings.client_id, &settings.topic, &settings.limits, wanted);
        });
        self.sent_ns = Some(context.now_ns);
    }

    pub(super) fn answer(&mut self, context: &mut Context<'_>, frame: &[u8]) -> Result<(), LaneError> {
        let Some(sent_ns) = self.sent_ns.take() else { return Err(LaneError::Unasked) };
        let mut brought = Traffic::default();
        let mut refused = None;
        let answer = fetch::read_answer(frame, |fetched| {
            if fetched.error_code != 0 {
                refused = Some(fetched.error_code);
            }
            self.take(&fetched, &mut brought, context)
        })?;
        if answer.correlation != self.correlation {
            return Err(AnswerError::Correlation { expected: self.correlation, got: answer.correlation }.into());
        }
        if answer.error_code != 0 {
            refused = Some(answer.error_code);
        }
        if let Some(code) = refused {
            context.tally.error(code);
            self.given_up = !ErrorCode::from_code(code).is_some_and(|code| {
                matches!(code, ErrorCode::OffsetOutOfRange | ErrorCode::LeaderNotAvailable)
            });
        }
        context.tally.throttle_ms += u64::from(answer.throttle_ms.max(0).unsigned_abs());
        if context.window.contains(context.now_ns) {
            brought.requests = 1;
            context.tally.fetched.requests += brought.requests;
            context.tally.fetched.records += brought.records;
            context.tally.fetched.bytes += brought.bytes;
        }
        if context.window.contains(sent_ns) && !self.follows() {
            let took = context.now_ns.saturating_sub(sent_ns);
            context.tally.latency.saturating_record(took);
            context.tally.service.saturating_record(took);
        }
        Ok(())
    }

    fn take(
        &mut self,
        fetched: &FetchedPartition<'_>,
        brought: &mut Traffic,
        context: &mut Context<'_>,
    ) -> Result<(), AnswerError> {
        let positions = &mut self.settings.positions;
        let position = positions.iter_mut().find(|position| position.partition == fetched.partition);
        let position = position.ok_or(AnswerError::Subject)?;
        if fetched.error_code == ErrorCode::OffsetOutOfRange.code() {
            // Retention has overtaken this consumer: it goes on where the log begins, as auto.offset.reset=earliest.
            position.next = fetched.log_start_offset.max(position.next + 1);
            return Ok(());
        }
        for batch in Batches::new(fetched.records) {
            // A last batch that is cut off is asked for again.
            let Ok(batch) = batch else { break };
            let (base, next) = (batch.header.base_offset.get(), batch.header.next_offset().get());
            if next <= position.next {
                if let Some(verifier) = &mut self.settings.verifier {
                    verifier.findings.misplaced += 1;
                }
                continue;
            }
            brought.records += batch.header.records.max(0).unsigned_abs() as u64;
            brought.bytes += batch.bytes.len() as u64;
            if let Some(verifier) = &mut self.settings.verifier {
                verifier.findings.misplaced += u64::from(base > position.next);
                verify(batch.bytes, next, position, verifier, context);
            }
            position.next = next;
        }
        if let AtEnd::Wrap(end) = position.at_end
            && position.next >= end
        {
            position.next = position.start;
        }
        Ok(())
    }

    fn follows(&self) -> bool {
        self.settings.positions.iter().any(|position| matches!(position.at_end, AtEnd::Follow(_)))
    }

    pub(super) fn is_done(&self, now_ns: u64, window: &Window) -> bool {
        let time_is_up = now_ns >= window.end_ns;
        let finished = || self.settings.positions.iter().all(|position| position.is_finished(time_is_up));
        self.sent_ns.is_none() && (self.given_up || finished())
    }

    pub(super) fn unanswered(&self) -> usize {
        usize::from(self.sent_ns.is_some())
    }

    /// Ends the lane: what it found out, and whether it read all that it should.
    pub(super) fn finish(self) -> (Option<Verifier>, bool) {
        let complete = self.settings.positions.iter().all(|position| position.is_finished(true));
        (self.settings.verifier, complete)
    }
}

/// Looks into every record of a batch, which ends before `next`, from the wanted offset on.
pub(super) fn verify(batch: &[u8], next: i64, position: &Position, verifier: &mut Verifier, context: &mut Context<'_>) {
    let sound = Records::open(batch, DECOMPRESSED_BYTES_MAX).and_then(|records| {
        records.header().verify(batch)?;
        Ok(records)
    });
    let mut seen = position.next;
    let left = |seen: i64| next.saturating_sub(seen).max(0).unsigned_abs();
    let Ok(records) = sound else {
        verifier.corrupt_batch(position.partition, left(seen));
        return;
    };
    for record in records.iter() {
        let Ok(record) = record else {
            verifier.corrupt_batch(position.partition, left(seen));
            return;
        };
        if record.offset.get() < position.next {
            continue;
        }
        seen = record.offset.get() + 1;
        let stamp = verifier.record(position.partition, record.value.unwrap_or_default());
        if let Some(stamp) = stamp
            && context.window.contains(stamp.intended_ns)
        {
            context.tally.end_to_end.saturating_record(context.now_ns.saturating_sub(stamp.intended_ns));
        }
    }
}
