//! When which group wants to be looked at.
//!
//! A heartbeat only moves a deadline of its group further away. The time noted here is therefore a lower bound: when it
//! comes, the group says what is due and when it wants to be looked at next. So a heartbeat costs nothing here, and
//! a group of any size has one entry.

use std::collections::BTreeSet;

use crate::types::Text;

/// The queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(u64, Text)>,
}

impl Timers {
    /// Notes that `group` wants to be looked at by `wanted_ms`, in place of what was `noted_ms`. Gives what is noted now.
    pub(super) fn note(&mut self, group: &Text, noted_ms: Option<u64>, wanted_ms: Option<u64>) -> Option<u64> {
        match (noted_ms, wanted_ms) {
            (Some(noted), Some(wanted)) if noted <= wanted => return noted_ms,
            (None, None) => return None,
            _ => {}
        }
        if let Some(noted) = noted_ms {
            self.due.remove(&(noted, group.clone()));
        }
        if let Some(wanted) = wanted_ms {
            self.due.insert((wanted, group.clone()));
        }
        wanted_ms
    }

    /// Forgets a group.
    pub(super) fn forget(&mut self, group: &Text, noted_ms: Option<u64>) {
        if let Some(noted) = noted_ms {
            self.due.remove(&(noted, group.clone()));
        }
    }

    /// The next group that is due at `now_ms`; it has no entry any more.
    pub(super) fn pop(&mut self, now_ms: u64) -> Option<Text> {
        let (due_ms, _) = self.due.first()?;
        if *due_ms > now_ms {
            return None;
        }
        self.due.pop_first().map(|(_, group)| group)
    }

    /// When the first group is due.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_deadline_costs_nothing_and_an_earlier_one_counts() {
        let (mut timers, group) = (Timers::default(), Text::from_static("g"));
        let noted = timers.note(&group, None, Some(10));
        let noted = timers.note(&group, noted, Some(50));
        assert_eq!((noted, timers.next_ms()), (Some(10), Some(10)));
        let noted = timers.note(&group, noted, Some(5));
        assert_eq!((noted, timers.next_ms(), timers.due.len()), (Some(5), Some(5), 1));
        assert_eq!((timers.pop(4), timers.pop(5), timers.pop(5)), (None, Some(group.clone()), None));
        let noted = timers.note(&group, None, Some(7));
        assert_eq!((timers.note(&group, noted, None), timers.next_ms()), (None, None));
        timers.forget(&group, None);
    }
}
