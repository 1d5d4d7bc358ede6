//! Who owns what, and what was read: what all members tell, and what must hold of it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::support::members::{Partitions, Run};

/// A member's number in this test; never used twice.
pub(super) type Name = usize;

#[derive(Debug)]
pub(super) struct Ledger {
    state: Mutex<State>,
    /// Who was not heard for so long may have been thrown out without knowing it.
    session: Duration,
}

#[derive(Debug)]
struct State {
    /// Owners of every partition, with the generation or epoch of their claim; more than one is a fault.
    owners: Vec<BTreeMap<Name, i32>>,
    /// Which offsets of every partition were read.
    read: Vec<Vec<bool>>,
    /// The last answered heartbeat of every live member.
    live: BTreeMap<Name, Instant>,
    /// When the last member came or went, as far as the broker can know; may lie ahead.
    last_change: Instant,
    longest_pause: Duration,
    fenced: usize,
    faults: Vec<String>,
}

impl Ledger {
    pub(super) fn new(partitions: usize, session: Duration) -> Self {
        let state = State {
            owners: vec![BTreeMap::new(); partitions],
            read: vec![Vec::new(); partitions],
            live: BTreeMap::new(),
            last_change: Instant::now(),
            longest_pause: Duration::ZERO,
            fenced: 0,
            faults: Vec::new(),
        };
        Self { state: Mutex::new(state), session }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn comes(&self, name: Name) {
        let mut state = self.state();
        let now = Instant::now();
        state.live.insert(name, now);
        state.last_change = state.last_change.max(now);
    }

    /// A member left, or died; the dead are missed when their session ends.
    pub(super) fn goes(&self, name: Name, died: bool) {
        let mut state = self.state();
        let noticed = Instant::now() + if died { self.session } else { Duration::ZERO };
        state.live.remove(&name);
        state.last_change = state.last_change.max(noticed);
        state.owners.iter_mut().for_each(|owners| _ = owners.remove(&name));
    }

    /// The broker answered a heartbeat, or let the member in.
    pub(super) fn beats(&self, name: Name) {
        self.state().live.insert(name, Instant::now());
    }

    pub(super) fn is_fenced(&self, name: Name) {
        let mut state = self.state();
        state.fenced += 1;
        state.owners.iter_mut().for_each(|owners| _ = owners.remove(&name));
    }

    /// Nobody else may own what a member claims, unless that other was silent for a whole session.
    pub(super) fn claims(&self, name: Name, epoch: i32, partitions: &Partitions) {
        let mut state = self.state();
        let State { owners, live, faults, .. } = &mut *state;
        for partition in partitions {
            let owners = &mut owners[usize::try_from(*partition).unwrap()];
            for (other, others) in owners.iter() {
                if live.get(other).is_some_and(|beat| beat.elapsed() < self.session) {
                    faults.push(format!("partition {partition}: {name} at {epoch} while {other} has it at {others}"));
                }
            }
            owners.insert(name, epoch);
        }
    }

    pub(super) fn releases(&self, name: Name, partitions: &Partitions) {
        let mut state = self.state();
        for partition in partitions {
            state.owners[usize::try_from(*partition).unwrap()].remove(&name);
        }
    }

    pub(super) fn reads(&self, runs: &[Run]) {
        let mut state = self.state();
        for run in runs {
            let read = &mut state.read[usize::try_from(run.partition).unwrap()];
            let [first, end] = [run.first, run.end].map(|offset| usize::try_from(offset).unwrap());
            read.resize(read.len().max(end), false);
            read[first..end].fill(true);
        }
    }

    /// How long a member did not read what it went on owning.
    pub(super) fn paused(&self, pause: Duration) {
        let mut state = self.state();
        state.longest_pause = state.longest_pause.max(pause);
    }

    /// If every live member owns its fair part and all partitions have one owner: how long after the last change that is.
    pub(super) fn settled(&self) -> Option<Duration> {
        let state = self.state();
        let mut shares: BTreeMap<Name, usize> = state.live.keys().map(|name| (*name, 0)).collect();
        for owners in &state.owners {
            let (owner, 1) = (owners.keys().next()?, owners.len()) else { return None };
            *shares.get_mut(owner)? += 1;
        }
        let (least, most) = (*shares.values().min()?, *shares.values().max()?);
        (most - least <= 1).then(|| Instant::now().saturating_duration_since(state.last_change))
    }

    /// Why it is not settled.
    pub(super) fn explain(&self) -> String {
        let state = self.state();
        let orphans = state.owners.iter().filter(|owners| owners.is_empty()).count();
        let mut shares: BTreeMap<Name, usize> = state.live.keys().map(|name| (*name, 0)).collect();
        state.owners.iter().flat_map(BTreeMap::keys).for_each(|owner| *shares.entry(*owner).or_default() += 1);
        let quiet = |name: &Name| state.live.get(name).map(|beat| beat.elapsed().as_millis());
        let shares: Vec<String> = shares.iter().map(|(name, count)| format!("{name}:{count} (heard {:?} ms ago)", quiet(name))).collect();
        format!("{orphans} partitions without owner; members own {}", shares.join(", "))
    }

    /// How many of the written records were not read yet, given the end of every partition.
    pub(super) fn unread(&self, ends: &[i64]) -> usize {
        let state = self.state();
        let missing = |(read, end): (&Vec<bool>, &i64)| {
            let end = usize::try_from(*end).unwrap();
            end - read.iter().take(end).filter(|read| **read).count()
        };
        state.read.iter().zip(ends).map(missing).sum()
    }

    pub(super) fn longest_pause(&self) -> Duration {
        self.state().longest_pause
    }

    pub(super) fn fenced(&self) -> usize {
        self.state().fenced
    }

    pub(super) fn faults(&self) -> Vec<String> {
        self.state().faults.clone()
    }
}
