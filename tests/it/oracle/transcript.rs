//! What one broker was asked and what it answered.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use corelog::{protocol::Message, types::Uuid};

use super::{answer::Answer, tree::Tree};
use crate::support::{Wire, wire::NoAnswer};

/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Milliseconds since 1970, cut to seconds; taken once for both sides, so that they get the same bytes.
pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() * 1000
}

/// What came back: an answer, or that none came.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Answer(Tree),
    Closed,
    Silent,
    Malformed(String),
}

impl Outcome {
    /// Calls `found` for every field that differs, or once for the whole if one side has no answer; returns how many values
    /// were compared.
    pub(super) fn differences(&self, other: &Outcome, found: &mut impl FnMut(&str, &str, &str)) -> usize {
        if let (Outcome::Answer(ours), Outcome::Answer(theirs)) = (self, other) {
            return ours.differences(theirs, "", found);
        }
        if self != other {
            found("outcome", &self.to_string(), &other.to_string());
        }
        1
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Answer(tree) => tree.fmt(f),
            Outcome::Closed => f.write_str("connection closed"),
            Outcome::Silent => f.write_str("silence"),
            Outcome::Malformed(text) => write!(f, "malformed: {text}"),
        }
    }
}

fn field(name: &str, text: String) -> Tree {
    Tree::Fields(vec![(name.to_owned(), Tree::Leaf(text))])
}

/// A question and its outcome.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) question: String,
    pub(super) outcome: Outcome,
}

/// One broker in the course of the script.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) name: &'static str,
    pub(super) now_ms: i64,
    port: u16,
    wire: Wire,
    entries: Vec<Entry>,
    /// Ids of topics and clusters and what they are called by, since each broker makes its own.
    ids: BTreeMap<String, String>,
    /// Producer ids likewise.
    producers: Vec<String>,
    /// Ids that the broker gave to members of groups likewise.
    members: Vec<String>,
}

impl Side {
    pub(super) fn new(name: &'static str, port: u16, now_ms: i64) -> Self {
        let wire = connect(port);
        Self { name, now_ms, port, wire, entries: Vec::new(), ids: BTreeMap::new(), producers: Vec::new(), members: Vec::new() }
    }

    pub(super) fn finish(self) -> Vec<Entry> {
        self.entries
    }

    /// Asks, keeps the answer under `question`, and returns it if there is one.
    pub(super) fn ask<Q: Message, R: Answer>(&mut self, question: &str, request: &Q, version: i16) -> Option<R> {
        let started = std::time::Instant::now();
        let outcome = self.wire.try_call::<Q, R>(request, version);
        if started.elapsed() > Duration::from_millis(500) {
            eprintln!("{}: {question} v{version} took {:?}", self.name, started.elapsed());
        }
        self.keep(&format!("{question} v{version}"), outcome)
    }

    /// Asks without keeping the answer: to prepare what follows, where both sides may differ in how long it takes.
    pub(super) fn quietly<Q: Message, R: Answer>(&mut self, request: &Q, version: i16) -> Option<R> {
        match self.wire.try_call(request, version) {
            Ok(answer) => {
                let answer: R = answer;
                answer.tree().structures(&mut |tree| self.learn(tree));
                Some(answer)
            }
            Err(_) => {
                self.wire = connect(self.port);
                None
            }
        }
    }

    /// Sends a request that is answered by nothing, and then asks something to see whether the connection still stands.
    pub(super) fn tell<Q: Message>(&mut self, question: &str, request: &Q, version: i16) {
        use corelog::protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
        let outcome = self.wire.send(request, version).and_then(|()| {
            self.wire.try_call::<_, ApiVersionsResponse>(&ApiVersionsRequest::default(), 0).map(|_| ())
        });
        let outcome = match outcome {
            Ok(()) => Outcome::Answer(field("connection", "stands".to_owned())),
            Err(error) => self.failed(error),
        };
        self.entries.push(Entry { question: format!("{question} v{version}"), outcome });
    }

    /// Sends bytes as one frame and keeps whether an answer of any kind came.
    pub(super) fn hurl(&mut self, question: &str, frame: &[u8]) {
        let outcome = self.wire.send_frame(frame).map_err(NoAnswer::from).and_then(|()| self.wire.receive_frame());
        let outcome = match outcome {
            // The first four bytes repeat the correlation id.
            Ok(frame) => Outcome::Answer(field("frame", format!("{:02x?}", &frame[..frame.len().min(10)]))),
            Err(error) => self.failed(error),
        };
        self.entries.push(Entry { question: question.to_owned(), outcome });
    }

    /// Sends bytes as they are and keeps whether the connection is closed then.
    pub(super) fn hurl_raw(&mut self, question: &str, bytes: &[u8]) {
        // The broker may close the connection before all is sent.
        let _ = self.wire.send_raw(bytes);
        self.wire.end_sending();
        self.wire.set_patience(Duration::from_secs(5));
        let closed = self.wire.is_closed();
        let outcome = if closed { Outcome::Closed } else { Outcome::Silent };
        self.wire = connect(self.port);
        self.entries.push(Entry { question: question.to_owned(), outcome });
    }

    /// Another connection, for questions that wait for each other.
    pub(super) fn another(&self) -> Wire {
        connect(self.port)
    }

    /// Keeps an answer that came by another connection.
    pub(super) fn keep_from<R: Answer>(&mut self, question: &str, version: i16, outcome: Result<R, NoAnswer>) {
        self.keep(&format!("{question} v{version}"), outcome);
    }

    fn keep<R: Answer>(&mut self, question: &str, outcome: Result<R, NoAnswer>) -> Option<R> {
        let (outcome, answer) = match outcome {
            Ok(answer) => {
                let mut tree = answer.tree();
                self.normalize(&mut tree);
                (Outcome::Answer(tree), Some(answer))
            }
            Err(error) => (self.failed(error), None),
        };
        self.entries.push(Entry { question: question.to_owned(), outcome });
        answer
    }

    /// Notes the id of a topic that comes with its name.
    fn learn(&mut self, tree: &Tree) {
        let leaf = |name: &str| tree.field(name)?.leaf();
        let name = ["name", "topic", "topic_name"].into_iter().filter_map(leaf).find(|name| !matches!(*name, "None" | "\"\""));
        if let (Some(name), Some(id)) = (name, leaf("topic_id"))
            && id != Uuid::ZERO.to_string()
        {
            called(&mut self.ids, name.trim_matches('"'), id);
        }
    }

    /// A connection that failed is of no use any more.
    fn failed(&mut self, error: NoAnswer) -> Outcome {
        self.wire = connect(self.port);
        match error {
            NoAnswer::Closed => Outcome::Closed,
            NoAnswer::Silent => Outcome::Silent,
            NoAnswer::Malformed(text) => Outcome::Malformed(text),
        }
    }

    /// Replaces what each broker chooses for itself by what it stands for.
    fn normalize(&mut self, tree: &mut Tree) {
        let port = self.port.to_string();
        tree.structures(&mut |tree| self.learn(tree));
        let (now_ms, ids, producers, members) = (self.now_ms, &mut self.ids, &mut self.producers, &mut self.members);
        tree.replace(&mut |field, text| match field {
            "throttle_time_ms" => (text != "0").then(|| "throttled".to_owned()),
            "port" => (text == port).then(|| "PORT".to_owned()),
            "topic_id" if text != Uuid::ZERO.to_string() => Some(ids.get(text).cloned().unwrap_or_else(|| format!("unknown {text}"))),
            "cluster_id" if text != "None" => Some(called(ids, "cluster", text)),
            "producer_id" if text != "-1" => Some(numbered("producer", producers, text)),
            "member_id" | "leader" if is_given(text) => Some(numbered("member", members, text)),
            "session_id" if text != "0" => Some("SESSION".to_owned()),
            // Times near now are the broker's own; those that the script sends are further away.
            "log_append_time_ms" | "last_timestamp" | "timestamp" | "base_timestamp" | "max_timestamp" => {
                let near = text.parse::<i64>().is_ok_and(|time| (time - now_ms).abs() < 600_000);
                near.then(|| "NOW".to_owned())
            }
            "error_message" | "batch_index_error_message" => Some(without_members(&without_times(text), members)),
            "finalized_features_epoch" => text.parse::<i64>().is_ok_and(|epoch| epoch >= 0).then(|| "EPOCH".to_owned()),
            "log_dir" => Some("LOG_DIR".to_owned()),
            "total_bytes" | "usable_bytes" => text.parse::<i64>().is_ok_and(|bytes| bytes > 0).then(|| "BYTES".to_owned()),
            _ => None,
        });
    }
}

/// What an id is called: by the name that first came with it, and how many ids of that name there were before.
fn called(ids: &mut BTreeMap<String, String>, name: &str, id: &str) -> String {
    let before = ids.values().filter(|called| called.starts_with(&format!("id of {name} "))).count();
    ids.entry(id.to_owned()).or_insert_with(|| format!("id of {name} {before}")).clone()
}

/// Replaces numbers of 13 digits, which are milliseconds of these years.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for character in text.chars().chain(['\0']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        out.push_str(if digits.len() == 13 { "TIME" } else { &digits });
        digits.clear();
        out.push(character);
    }
    out.pop();
    out
}

/// True for the id of a member that the broker chose: it ends with a uuid, in the form with hyphens or in Kafka's.
fn is_given(text: &str) -> bool {
    let text = text.trim_matches('"');
    let hyphens = text.len() >= 36 && text.is_ascii() && text[text.len() - 36..].bytes().filter(|byte| *byte == b'-').count() == 4;
    hyphens || Uuid::parse(text).is_some()
}

/// Replaces ids of members by what they are called in the transcript.
fn without_members(text: &str, members: &[String]) -> String {
    members.iter().enumerate().fold(text.to_owned(), |text, (at, id)| text.replace(id.trim_matches('"'), &format!("member-{at}")))
}

fn numbered(kind: &str, known: &mut Vec<String>, text: &str) -> String {
    let at = known.iter().position(|id| id == text).unwrap_or_else(|| {
        known.push(text.to_owned());
        known.len() - 1
    });
    format!("{kind}-{at}")
}

fn connect(port: u16) -> Wire {
    let mut wire = Wire::connect(port).unwrap_or_else(|error| panic!("the broker on port {port} is gone: {error}"));
    wire.set_patience(PATIENCE);
    wire
}
