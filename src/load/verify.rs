//! Was every acknowledged record kept, once, in order and unharmed? Decided from stamps alone.

use std::{collections::BTreeMap, ops::Range};

use super::body::Stamp;

/// What one producer lane sent to one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The lane.
    pub lane: u32,
    /// The partition.
    pub partition: i32,
    /// Records sent: sequences 0 to this.
    pub sent: u64,
    /// Sequences that were refused or never answered: they may be in the log or not, but not twice. Rising.
    pub uncertain: Vec<Range<u64>>,
}

impl Ledger {
    /// Nothing sent yet.
    pub fn new(lane: u32, partition: i32) -> Self {
        Self { lane, partition, sent: 0, uncertain: Vec::new() }
    }

    /// Takes back the promise that the records of `range` are kept.
    pub fn refuse(&mut self, range: Range<u64>) {
        match self.uncertain.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.uncertain.push(range),
        }
    }
}

/// What was found wrong. All counts are records, except where said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Findings {
    /// Records that were read and are as they should be, or are counted below.
    pub read: u64,
    /// Acknowledged, and not in the log.
    pub lost: u64,
    /// In the log once more.
    pub duplicated: u64,
    /// Behind a record of the same lane that was sent later.
    pub reordered: u64,
    /// Batches whose checksum or structure is wrong, and records whose stamp is.
    pub corrupt: u64,
    /// Records of another run.
    pub foreign: u64,
    /// Batches whose offsets do not continue those before them.
    pub misplaced: u64,
}

impl Findings {
    /// True if nothing is wrong. Records of other runs are no fault of the broker's: the topic may have been used before.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.reordered == 0 && self.corrupt == 0 && self.misplaced == 0
    }

    /// Adds what another reader found.
    pub fn merge(&mut self, other: &Self) {
        self.read += other.read;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupt += other.corrupt;
        self.foreign += other.foreign;
        self.misplaced += other.misplaced;
    }
}

/// What has been read of one lane in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// One more than the highest sequence seen.
    next: u64,
    /// Sequences below `next` that have not been seen: start to end.
    missing: BTreeMap<u64, u64>,
}

impl Progress {
    fn see(&mut self, sequence: u64, findings: &mut Findings) {
        if sequence == self.next {
            self.next += 1;
        } else if sequence > self.next {
            self.missing.insert(self.next, sequence);
            self.next = sequence + 1;
        } else if self.take_missing(sequence) {
            findings.reordered += 1;
        } else {
            findings.duplicated += 1;
        }
    }

    fn take_missing(&mut self, sequence: u64) -> bool {
        let Some((&start, &end)) = self.missing.range(..=sequence).next_back() else { return false };
        if sequence >= end {
            return false;
        }
        self.missing.remove(&start);
        if start < sequence {
            self.missing.insert(start, sequence);
        }
        if sequence + 1 < end {
            self.missing.insert(sequence + 1, end);
        }
        true
    }

    /// Sequences below `sent` that were not seen and are not uncertain.
    fn lost(mut self, ledger: &Ledger) -> u64 {
        if self.next < ledger.sent {
            self.missing.insert(self.next, ledger.sent);
        }
        let missing: u64 = self.missing.iter().map(|(start, end)| end - start).sum();
        let excused: u64 = ledger.uncertain.iter().map(|range| overlap(&self.missing, range)).sum();
        missing - excused
    }
}

/// How much of `range` lies within `ranges`.
fn overlap(ranges: &BTreeMap<u64, u64>, range: &Range<u64>) -> u64 {
    let before = ranges.range(..range.start).next_back();
    let within = ranges.range(range.clone());
    let common = |(start, end): (&u64, &u64)| (*end).min(range.end).saturating_sub((*start).max(range.start));
    before.into_iter().chain(within).map(common).sum()
}

/// Collects what consumers read of the partitions they own. Each partition must be read by one verifier, in log order.
#[derive(Clone, Debug)]
pub struct Verifier {
    run: u32,
    seen: BTreeMap<(i32, u32), Progress>,
    /// Records by partition that are there but tell nothing: they are corrupt, and not lost as well.
    unreadable: BTreeMap<i32, u64>,
    /// What is wrong so far; `lost` is known only at the end.
    pub findings: Findings,
}

impl Verifier {
    /// For records of `run`.
    pub fn new(run: u32) -> Self {
        Self { run, seen: BTreeMap::new(), unreadable: BTreeMap::new(), findings: Findings::default() }
    }

    /// Takes the next value of `partition`; gives its stamp if it is sound and of this run.
    pub fn record(&mut self, partition: i32, value: &[u8]) -> Option<Stamp> {
        self.findings.read += 1;
        let Some(stamp) = Stamp::read(value) else {
            self.findings.corrupt += 1;
            self.unreadable(partition, 1);
            return None;
        };
        if stamp.run != self.run {
            self.findings.foreign += 1;
            return None;
        }
        self.seen.entry((partition, stamp.lane)).or_default().see(stamp.sequence, &mut self.findings);
        Some(stamp)
    }

    /// Takes a batch, or the rest of one, that cannot be read: `records` of `partition` are there and tell nothing.
    pub fn corrupt_batch(&mut self, partition: i32, records: u64) {
        self.findings.corrupt += 1;
        self.unreadable(partition, records);
    }

    fn unreadable(&mut self, partition: i32, records: u64) {
        *self.unreadable.entry(partition).or_default() += records;
    }

    /// Puts together the work of several verifiers that read different partitions.
    pub fn merge(&mut self, other: Self) {
        self.findings.merge(&other.findings);
        self.seen.extend(other.seen);
        other.unreadable.into_iter().for_each(|(partition, records)| self.unreadable(partition, records));
    }

    /// Compares what was read, to the end of all partitions, with what was sent.
    pub fn finish(mut self, ledgers: &[Ledger]) -> Findings {
        let mut missing: BTreeMap<i32, u64> = BTreeMap::new();
        for ledger in ledgers {
            let progress = self.seen.remove(&(ledger.partition, ledger.lane)).unwrap_or_default();
            *missing.entry(ledger.partition).or_default() += progress.lost(ledger);
        }
        for (partition, missing) in missing {
            let unreadable = self.unreadable.get(&partition).copied().unwrap_or_default();
            self.findings.lost += missing.saturating_sub(unreadable);
        }
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sequences: &[u64]) -> (Progress, Findings) {
        let (mut progress, mut findings) = (Progress::default(), Findings::default());
        for sequence in sequences {
            progress.see(*sequence, &mut findings);
        }
        (progress, findings)
    }

    fn ledger(sent: u64, uncertain: &[Range<u64>]) -> Ledger {
        Ledger { lane: 0, partition: 0, sent, uncertain: uncertain.to_vec() }
    }

    #[test]
    fn each_fault_is_counted_for_what_it_is() {
        let (progress, findings) = read(&[0, 1, 2, 3]);
        assert_eq!((findings.duplicated, findings.reordered, progress.lost(&ledger(4, &[]))), (0, 0, 0));
        let (progress, findings) = read(&[0, 1, 3, 4, 4, 1, 7]);
        assert_eq!((findings.duplicated, findings.reordered, progress.lost(&ledger(10, &[]))), (2, 0, 5));
        let (progress, findings) = read(&[0, 4, 2, 1, 3, 2]);
        assert_eq!((findings.duplicated, findings.reordered, progress.lost(&ledger(5, &[]))), (1, 3, 0));
    }

    #[test]
    fn what_was_not_acknowledged_may_be_missing() {
        let (progress, _) = read(&[0, 1, 6, 9]);
        assert_eq!(progress.clone().lost(&ledger(12, &[])), 8);
        assert_eq!(progress.clone().lost(&ledger(12, &[1..4, 10..12])), 4);
        assert_eq!(progress.lost(&ledger(12, &[0..3, 3..6, 6..12])), 0);
    }

    #[test]
    fn what_is_corrupt_is_not_lost_as_well() {
        let mut verifier = Verifier::new(1);
        assert_eq!(verifier.record(0, b"no stamp"), None);
        verifier.corrupt_batch(0, 3);
        let ledgers = [Ledger { lane: 0, partition: 0, sent: 5, uncertain: Vec::new() }, ledger_of(1, 2)];
        let found = verifier.finish(&ledgers);
        assert_eq!((found.corrupt, found.lost), (2, 1 + 2));
    }

    fn ledger_of(partition: i32, sent: u64) -> Ledger {
        Ledger { lane: 0, partition, sent, uncertain: Vec::new() }
    }

    #[test]
    fn neighbouring_refusals_become_one() {
        let mut ledger = Ledger::new(0, 0);
        for start in [5, 6, 7, 9] {
            ledger.refuse(start..start + 1);
        }
        assert_eq!(ledger.uncertain, [5..8, 9..10]);
    }
}
