//! The producing lane: one connection that sends one batch a request, and keeps account of what was acknowledged.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};

use crate::{
    client::produce::{self, Acks, ProduceShape, ProduceTemplate, TAIL},
    client::wire::AnswerError,
    record::increment_sequence,
};

use super::{
    body::{self, Sequenced, Stamp, Template},
    clock::SECOND_NS,
    lane::{Context, LaneError},
    schedule::Schedule,
    sending::SendQueue,
    tally::Window,
    verify::Ledger,
};

/// Bytes on their way to the socket above which nothing more is queued: what is sent is timed when it is queued.
const QUEUED_BYTES_MAX: usize = 256 * 1024;
/// How long after the window requests that were due in it are still sent; then they count as never sent.
const LATE_NS: u64 = SECOND_NS;
/// Free buffers kept for batches that are stamped one by one.
const SPARE_BUFFERS_MAX: usize = 64;

/// When the next request may go.
#[derive(Clone, Debug)]
pub(super) enum Pace {
    /// As soon as fewer than the limit are unanswered.
    ClosedLoop,
    /// When the schedule says so.
    OpenLoop(Schedule),
}

/// What makes records of this lane tell which they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamping {
    pub(super) run: u32,
    pub(super) lane: u32,
}

/// An idempotent producer, as the broker named it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// What a producer is made of.
#[derive(Clone, Debug)]
pub(super) struct ProducerSettings {
    pub(super) version: i16,
    pub(super) client_id: String,
    pub(super) topic: String,
    pub(super) acks: Acks,
    pub(super) template: Arc<Template>,
    /// Written to in turn, beginning with the first.
    pub(super) partitions: Vec<i32>,
    pub(super) in_flight: usize,
    pub(super) pace: Pace,
    /// Wall clock less monotonic clock, in milliseconds.
    pub(super) wall_ahead_ms: i64,
    pub(super) stamping: Option<Stamping>,
    pub(super) identity: Option<Identity>,
    /// Requests after which the lane is done.
    pub(super) requests_max: Option<u64>,
}

#[derive(Debug)]
struct Flight {
    correlation: i32,
    partition: usize,
    intended_ns: u64,
    sent_ns: u64,
    first_sequence: u64,
    body: Option<Bytes>,
}

/// See the file.
#[derive(Debug)]
pub(super) struct Producer {
    settings: ProducerSettings,
    head: ProduceTemplate,
    next_partition: usize,
    correlation: i32,
    flights: VecDeque<Flight>,
    spare: Vec<BytesMut>,
    requests_left: u64,
    /// Per entry of `settings.partitions`.
    ledgers: Vec<Ledger>,
}

impl Producer {
    pub(super) fn new(settings: ProducerSettings) -> Self {
        let head = ProduceTemplate::new(ProduceShape {
            version: settings.version,
            client_id: &settings.client_id,
            topic: &settings.topic,
            acks: settings.acks,
            timeout_ms: 30_000,
            batch_bytes: settings.template.len(),
        });
        let lane = settings.stamping.map_or(0, |stamping| stamping.lane);
        let ledgers = settings.partitions.iter().map(|partition| Ledger::new(lane, *partition)).collect();
        let requests_left = settings.requests_max.unwrap_or(u64::MAX);
        Self {
            settings,
            head,
            next_partition: 0,
            correlation: 0,
            flights: VecDeque::new(),
            spare: Vec::new(),
            requests_left,
            ledgers,
        }
    }

    pub(super) fn fill(&mut self, context: &mut Context<'_>, out: &mut SendQueue) {
        while self.flights.len() < self.settings.in_flight && self.requests_left > 0 && out.len() < QUEUED_BYTES_MAX {
            let Some(intended_ns) = self.take_turn(context) else { break };
            context.tally.intended += u64::from(context.window.contains(intended_ns));
            self.requests_left -= 1;
            self.send(intended_ns, context.now_ns, out);
        }
    }

    /// When the next request was meant to be sent, if that is not in the future.
    fn take_turn(&mut self, context: &Context<'_>) -> Option<u64> {
        match &mut self.settings.pace {
            Pace::ClosedLoop => (context.now_ns < context.window.end_ns).then_some(context.now_ns),
            Pace::OpenLoop(schedule) => {
                let due = schedule.next_ns();
                let over = context.now_ns >= context.window.end_ns + LATE_NS;
                if due > context.now_ns || due >= context.window.end_ns || over {
                    return None;
                }
                schedule.advance();
                Some(due)
            }
        }
    }

    fn send(&mut self, intended_ns: u64, now_ns: u64, out: &mut SendQueue) {
        let partition = self.next_partition;
        self.next_partition = (partition + 1) % self.settings.partitions.len();
        self.correlation = self.correlation.wrapping_add(1);
        let first_sequence = self.ledgers[partition].sent;
        self.ledgers[partition].sent += self.settings.template.records();
        out.copy(self.head.head(self.correlation, self.settings.partitions[partition]));
        let body = self.queue_body(first_sequence, intended_ns, now_ns, out);
        out.copy(&TAIL);
        let correlation = self.correlation;
        self.flights.push_back(Flight { correlation, partition, intended_ns, sent_ns: now_ns, first_sequence, body });
    }

    /// Queues the batch, with a header or, if records are stamped, memory of its own; gives that back to be used again.
    fn queue_body(&mut self, sequence: u64, intended_ns: u64, now_ns: u64, out: &mut SendQueue) -> Option<Bytes> {
        let ProducerSettings { template, wall_ahead_ms, .. } = &self.settings;
        let now_ms = (now_ns / 1_000_000) as i64 + wall_ahead_ms;
        let producer = self.settings.identity.map(|Identity { id, epoch }| {
            let base_sequence = increment_sequence(0, (sequence % (1 << 31)) as i32);
            Sequenced { id, epoch, base_sequence }
        });
        let Some(stamping) = self.settings.stamping else {
            out.copy(&template.header(now_ms, producer));
            out.body(template.records_bytes());
            return None;
        };
        let mut batch = self.spare.pop().unwrap_or_else(|| template.copy());
        let stamp = Stamp { run: stamping.run, lane: stamping.lane, sequence, intended_ns };
        template.stamp(&mut batch, stamp, now_ms);
        if let Some(producer) = producer {
            body::set_producer(&mut batch, producer);
        }
        body::seal(&mut batch);
        let batch = batch.freeze();
        out.body(&batch);
        Some(batch)
    }

    pub(super) fn answer(&mut self, context: &mut Context<'_>, frame: &[u8]) -> Result<(), LaneError> {
        let answer = produce::read_answer(frame)?;
        let Some(flight) = self.flights.pop_front() else { return Err(LaneError::Unasked) };
        if answer.correlation != flight.correlation {
            let (expected, got) = (flight.correlation, answer.correlation);
            self.flights.push_front(flight);
            return Err(AnswerError::Correlation { expected, got }.into());
        }
        if answer.partition != self.settings.partitions[flight.partition] {
            self.flights.push_front(flight);
            return Err(AnswerError::Subject.into());
        }
        context.tally.throttle_ms += u64::from(answer.throttle_ms.max(0).unsigned_abs());
        if answer.error_code == 0 {
            self.acknowledged(context, &flight);
        } else {
            let range = flight.first_sequence..flight.first_sequence + self.settings.template.records();
            self.ledgers[flight.partition].refuse(range);
            if context.window.contains(context.now_ns) {
                context.tally.refused(answer.error_code, answer.words);
            }
        }
        self.reuse(flight.body);
        Ok(())
    }

    /// All that was queued has left: with acks=0 that is all there is to know, and no latency.
    pub(super) fn flushed(&mut self, context: &mut Context<'_>) {
        if self.settings.acks == Acks::None {
            while let Some(flight) = self.flights.pop_front() {
                let template = &self.settings.template;
                if context.window.contains(context.now_ns) {
                    context.tally.produced.add(template.records(), template.len() as u64);
                }
                self.reuse(flight.body);
            }
        }
    }

    fn acknowledged(&mut self, context: &mut Context<'_>, flight: &Flight) {
        let template = &self.settings.template;
        if context.window.contains(context.now_ns) {
            context.tally.produced.add(template.records(), template.len() as u64);
        }
        // A request that was meant to be sent in the window counts, however late its answer.
        if context.window.contains(flight.intended_ns) {
            context.tally.latency.saturating_record(context.now_ns.saturating_sub(flight.intended_ns));
            context.tally.service.saturating_record(context.now_ns.saturating_sub(flight.sent_ns));
        }
    }

    fn reuse(&mut self, body: Option<Bytes>) {
        // Not ours alone only if the answer came before the kernel took the whole request, which it cannot rightly do.
        if let Some(Ok(buffer)) = body.map(Bytes::try_into_mut)
            && self.spare.len() < SPARE_BUFFERS_MAX
        {
            self.spare.push(buffer);
        }
    }

    pub(super) fn due_ns(&self) -> Option<u64> {
        match &self.settings.pace {
            Pace::OpenLoop(schedule) if self.flights.len() < self.settings.in_flight => Some(schedule.next_ns()),
            Pace::OpenLoop(_) | Pace::ClosedLoop => None,
        }
    }

    pub(super) fn is_done(&self, now_ns: u64, window: &Window) -> bool {
        let nothing_to_send = match &self.settings.pace {
            Pace::ClosedLoop => now_ns >= window.end_ns || self.requests_left == 0,
            Pace::OpenLoop(schedule) => {
                let over = now_ns >= window.end_ns + LATE_NS;
                over || schedule.next_ns() >= window.end_ns || self.requests_left == 0
            }
        };
        nothing_to_send && self.flights.is_empty()
    }

    pub(super) fn unanswered(&self) -> usize {
        self.flights.len()
    }

    /// Ends the lane: what each partition was sent, and how many requests of the window were never sent at all.
    pub(super) fn finish(mut self, window: &Window) -> (Vec<Ledger>, u64) {
        let records = self.settings.template.records();
        for flight in self.flights.drain(..) {
            self.ledgers[flight.partition].refuse(flight.first_sequence..flight.first_sequence + records);
        }
        let unsent = match &mut self.settings.pace {
            Pace::ClosedLoop => 0,
            Pace::OpenLoop(schedule) => schedule.skip_until(window.start_ns, window.end_ns),
        };
        (self.ledgers, unsent)
    }
}
