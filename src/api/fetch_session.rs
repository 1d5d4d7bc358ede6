//! Fetch sessions (KIP-227): a client names its partitions once and then only what changed.
//!
//! One cache per shard; a session lives on the shard of the connection that opened it. A client that comes back on
//! another shard is told that its session is unknown and opens a new one, as after a broker's restart. Pure: no I/O and
//! no clock of its own.

use std::collections::BTreeMap;

use crate::types::{ErrorCode, HashMap, Text, Uuid};

/// How a fetch names a topic: by name up to version 12, by id from 13.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum TopicKey {
    /// Up to version 12.
    Name(Text),
    /// From version 13.
    Id(Uuid),
}

/// A partition that a client reads, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) topic: TopicKey,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) max_bytes: i32,
    pub(super) leader_epoch: i32,
    pub(super) last_fetched_epoch: i32,
}

/// The marks of a partition that decide whether an incremental answer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) high_watermark: i64,
    pub(super) log_start: i64,
}

/// What a fetch request is about, after its session has been looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// No session: everything named is answered, nothing is remembered.
    Sessionless,
    /// A new session: everything named is answered and remembered.
    Full(i32),
    /// A known session: only what changed is answered.
    Incremental(i32),
}

/// The session part of a fetch request.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionFields {
    pub(super) id: i32,
    pub(super) epoch: i32,
    pub(super) by_topic_id: bool,
}

const EPOCH_INITIAL: i32 = 0;
const EPOCH_FINAL: i32 = -1;

#[derive(Debug)]
struct Session {
    epoch: i32,
    by_topic_id: bool,
    /// By turn: what was answered last goes to the end, so that a byte limit starves nobody.
    by_turn: BTreeMap<u64, (Wanted, Option<Told>)>,
    turns: HashMap<(TopicKey, i32), u64>,
    next_turn: u64,
    last_used_ns: u64,
}

/// The sessions of one shard, at most `capacity`.
#[derive(Debug)]
pub(super) struct FetchSessions {
    capacity: usize,
    sessions: HashMap<i32, Session>,
}

/// A session unused for so long may be pushed out by a new one (`FetchSessionCache.evictionMs`).
const EVICTION_NS: u64 = 120_000_000_000;

impl FetchSessions {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, sessions: HashMap::new() }
    }

    /// Finds or makes the session of a request. `wanted` and `forgotten` are what the request names.
    ///
    /// # Errors
    /// The top-level error of the answer: the session is unknown, or the client skipped a step.
    pub(super) fn open(
        &mut self,
        fields: SessionFields,
        wanted: &[Wanted],
        forgotten: &[(TopicKey, i32)],
        now_ns: u64,
    ) -> Result<Opened, ErrorCode> {
        if fields.epoch == EPOCH_INITIAL || fields.epoch == EPOCH_FINAL {
            // Either way the old session ends (FetchManager.newContext).
            self.sessions.remove(&fields.id);
            if fields.epoch == EPOCH_FINAL {
                return Ok(Opened::Sessionless);
            }
            return Ok(self.create(fields, wanted, now_ns).map_or(Opened::Sessionless, Opened::Full));
        }
        let session = self.sessions.get_mut(&fields.id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != fields.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_topic_id != fields.by_topic_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.epoch = if session.epoch == i32::MAX { 1 } else { session.epoch + 1 };
        session.last_used_ns = now_ns;
        for key in forgotten {
            session.forget(key);
        }
        for wanted in wanted {
            session.want(wanted);
        }
        if session.by_turn.is_empty() {
            // A session with nothing in it is closed (FetchManager.newContext).
            self.sessions.remove(&fields.id);
            return Ok(Opened::Sessionless);
        }
        Ok(Opened::Incremental(fields.id))
    }

    /// All partitions of a session, in the order in which they are to be served.
    pub(super) fn wanted(&self, id: i32) -> Vec<Wanted> {
        self.sessions.get(&id).map(|session| session.by_turn.values().map(|(wanted, _)| wanted.clone()).collect()).unwrap_or_default()
    }

    /// Says whether the answer names the partition, and remembers what it tells. `told` is `None` for an error,
    /// which is told every time.
    pub(super) fn tell(&mut self, id: i32, wanted: &Wanted, has_records: bool, told: Option<Told>) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return true };
        let key = (wanted.topic.clone(), wanted.partition);
        let Some(turn) = session.turns.get(&key).copied() else { return true };
        let Some((_, before)) = session.by_turn.get_mut(&turn) else { return true };
        let name_it = has_records || told.is_none() || *before != told;
        *before = told;
        if has_records && let Some(entry) = session.by_turn.remove(&turn) {
            let turn = session.next_turn();
            session.by_turn.insert(turn, entry);
            session.turns.insert(key, turn);
        }
        name_it
    }

    fn create(&mut self, fields: SessionFields, wanted: &[Wanted], now_ns: u64) -> Option<i32> {
        if self.capacity == 0 || wanted.is_empty() {
            return None;
        }
        if self.sessions.len() >= self.capacity {
            // BTree order is not needed: the oldest is the same whatever the order of the map.
            let (id, last_used_ns) = oldest(&self.sessions)?;
            if now_ns.saturating_sub(last_used_ns) < EVICTION_NS {
                return None;
            }
            self.sessions.remove(&id);
        }
        let id = self.free_id()?;
        let mut session = Session {
            epoch: 1,
            by_topic_id: fields.by_topic_id,
            by_turn: BTreeMap::new(),
            turns: HashMap::new(),
            next_turn: 0,
            last_used_ns: now_ns,
        };
        for wanted in wanted {
            session.want(wanted);
        }
        self.sessions.insert(id, session);
        Some(id)
    }

    /// A random positive number that is not in use, so that a client of before the restart does not meet another's session.
    fn free_id(&self) -> Option<i32> {
        loop {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes).ok()?;
            let id = i32::from_le_bytes(bytes) & i32::MAX;
            if id != 0 && !self.sessions.contains_key(&id) {
                return Some(id);
            }
        }
    }
}

fn oldest(sessions: &HashMap<i32, Session>) -> Option<(i32, u64)> {
    sessions.iter().map(|(id, session)| (*id, session.last_used_ns)).min_by_key(|(id, last_used_ns)| (*last_used_ns, *id))
}

impl Session {
    fn next_turn(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn
    }

    fn want(&mut self, wanted: &Wanted) {
        let key = (wanted.topic.clone(), wanted.partition);
        if let Some(turn) = self.turns.get(&key)
            && let Some((known, _)) = self.by_turn.get_mut(turn)
        {
            *known = wanted.clone();
            return;
        }
        // The name would otherwise keep the whole request in memory as long as the session lives.
        let mut wanted = wanted.clone();
        if let TopicKey::Name(name) = &wanted.topic {
            wanted.topic = TopicKey::Name(name.detached());
        }
        let turn = self.next_turn();
        self.turns.insert((wanted.topic.clone(), wanted.partition), turn);
        self.by_turn.insert(turn, (wanted, None));
    }

    fn forget(&mut self, key: &(TopicKey, i32)) {
        if let Some(turn) = self.turns.remove(key) {
            self.by_turn.remove(&turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(partition: i32, offset: i64) -> Wanted {
        let topic = TopicKey::Name(Text::from("t"));
        Wanted { topic, partition, offset, max_bytes: 100, leader_epoch: -1, last_fetched_epoch: -1 }
    }

    fn fields(id: i32, epoch: i32) -> SessionFields {
        SessionFields { id, epoch, by_topic_id: false }
    }

    fn opened(sessions: &mut FetchSessions) -> i32 {
        match sessions.open(fields(0, 0), &[wanted(0, 5), wanted(1, 7)], &[], 0) {
            Ok(Opened::Full(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_incremental_answer_names_only_what_changed() {
        let mut sessions = FetchSessions::new(10);
        let id = opened(&mut sessions);
        let told = Some(Told { high_watermark: 5, log_start: 0 });
        assert!(sessions.tell(id, &wanted(0, 5), false, told), "the first answer tells all");
        assert_eq!(sessions.open(fields(id, 1), &[], &[], 0), Ok(Opened::Incremental(id)));
        assert!(!sessions.tell(id, &wanted(0, 5), false, told));
        assert!(sessions.tell(id, &wanted(0, 5), true, told), "records are always told");
        assert!(sessions.tell(id, &wanted(0, 5), false, None), "and errors");
        assert!(sessions.tell(id, &wanted(0, 5), false, told), "and that an error is over");
    }

    #[test]
    fn what_was_served_goes_to_the_end_of_the_queue() {
        let mut sessions = FetchSessions::new(10);
        let id = opened(&mut sessions);
        sessions.tell(id, &wanted(0, 5), true, None);
        assert_eq!(sessions.wanted(id).iter().map(|wanted| wanted.partition).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn wrong_steps_are_refused_with_kafkas_codes() {
        let mut sessions = FetchSessions::new(10);
        let id = opened(&mut sessions);
        assert_eq!(sessions.open(fields(id, 2), &[], &[], 0), Err(ErrorCode::InvalidFetchSessionEpoch));
        assert_eq!(sessions.open(fields(id ^ 1, 1), &[], &[], 0), Err(ErrorCode::FetchSessionIdNotFound));
        let by_id = SessionFields { id, epoch: 1, by_topic_id: true };
        assert_eq!(sessions.open(by_id, &[], &[], 0), Err(ErrorCode::FetchSessionTopicIdError));
        assert_eq!(sessions.open(fields(id, -1), &[], &[], 0), Ok(Opened::Sessionless));
        assert_eq!(sessions.open(fields(id, 1), &[], &[], 0), Err(ErrorCode::FetchSessionIdNotFound));
    }

    #[test]
    fn forgetting_the_last_partition_ends_the_session() {
        let mut sessions = FetchSessions::new(10);
        let id = opened(&mut sessions);
        let forgotten = [(TopicKey::Name(Text::from("t")), 0), (TopicKey::Name(Text::from("t")), 1)];
        assert_eq!(sessions.open(fields(id, 1), &[], &forgotten, 0), Ok(Opened::Sessionless));
        assert!(sessions.wanted(id).is_empty());
    }

    #[test]
    fn a_full_cache_makes_room_only_for_the_long_unused() {
        let mut sessions = FetchSessions::new(1);
        let id = opened(&mut sessions);
        assert_eq!(sessions.open(fields(0, 0), &[wanted(0, 0)], &[], 1), Ok(Opened::Sessionless));
        let late = sessions.open(fields(0, 0), &[wanted(0, 0)], &[], EVICTION_NS);
        assert!(matches!(late, Ok(Opened::Full(new)) if new != id), "{late:?}");
    }
}
