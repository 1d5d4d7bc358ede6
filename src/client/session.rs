//! A connection for the questions around the load: which versions, where partitions lead, make and delete topics, where
//! logs begin and end. One question at a time, on a thread that may block; never on a shard.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use crate::types::{ErrorCode, Uuid};

use super::{
    frames::ANSWER_BYTES_MAX,
    wire::{self, AnswerError, Cursor},
};

const LIST_OFFSETS: (i16, i16) = (2, 7);
const METADATA: (i16, i16) = (3, 12);
const API_VERSIONS: i16 = 18;
const CREATE_TOPICS: (i16, i16) = (19, 7);
const DELETE_TOPICS: (i16, i16) = (20, 6);
const INIT_PRODUCER_ID: (i16, i16) = (22, 4);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The address cannot be resolved or reached.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// What was given.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The connection broke, or the broker did not answer in time.
    #[error("{api}: {source}")]
    Io {
        /// The question.
        api: &'static str,
        /// What happened.
        source: io::Error,
    },
    /// The answer is not what the protocol says.
    #[error("{api}: {source}")]
    Answer {
        /// The question.
        api: &'static str,
        /// What is wrong with it.
        source: AnswerError,
    },
    /// The broker does not speak a version that the client speaks.
    #[error("the broker speaks versions {min} to {max} of API {api_key}; this client needs {need}")]
    Version {
        /// The API.
        api_key: i16,
        /// What the client speaks.
        need: i16,
        /// The broker's lowest, -1 if it does not know the API.
        min: i16,
        /// The broker's highest, -1 if it does not know the API.
        max: i16,
    },
    /// The broker refused.
    #[error("{api}: {} ({code}){}", name_of(*code), words(message))]
    Refused {
        /// The question.
        api: &'static str,
        /// Kafka's error code.
        code: i16,
        /// The broker's words, if it has any.
        message: Option<String>,
    },
}

/// Kafka's name of an error code.
pub fn name_of(code: i16) -> &'static str {
    ErrorCode::from_code(code).map_or("an error code unknown to this client", ErrorCode::name)
}

fn words(message: &Option<String>) -> String {
    message.as_ref().map(|words| format!(": {words}")).unwrap_or_default()
}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerAddress {
    /// Its node id.
    pub node: i32,
    /// Host as advertised.
    pub host: String,
    /// Port as advertised.
    pub port: u16,
}

/// A topic as the broker describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// The topic's id.
    pub id: Uuid,
    /// Leaders by partition, -1 without one.
    pub leaders: Vec<i32>,
}

/// Brokers, and a topic if it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDescription {
    /// All brokers.
    pub brokers: Vec<BrokerAddress>,
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The topic that was asked about.
    pub topic: Option<TopicDescription>,
}

/// Which end of a log to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEnd {
    /// The first offset that can be read.
    Start,
    /// The offset that the next record gets, as far as consumers may see.
    End,
}

/// A blocking connection to one broker.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    client_id: String,
    correlation: i32,
    versions: Vec<(i16, i16, i16)>,
}

/// Connects to the first address of `address` (`host:port`) that answers within `timeout`.
///
/// # Errors
/// `Connect`.
pub fn connect(address: &str, timeout: Duration) -> Result<TcpStream, SessionError> {
    let failed = |source| SessionError::Connect { address: address.to_owned(), source };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for resolved in address.to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&resolved, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

impl Session {
    /// Connects and asks which versions the broker speaks. `timeout` bounds this and every later answer.
    ///
    /// # Errors
    /// `Connect`, `Io`, `Answer`, `Refused`.
    pub fn open(address: &str, client_id: &str, timeout: Duration) -> Result<Self, SessionError> {
        let stream = connect(address, timeout)?;
        let io_error = |source| SessionError::Io { api: "connect", source };
        stream.set_read_timeout(Some(timeout)).map_err(io_error)?;
        stream.set_write_timeout(Some(timeout)).map_err(io_error)?;
        let mut session = Self { stream, client_id: client_id.to_owned(), correlation: 0, versions: Vec::new() };
        session.ask_versions()?;
        Ok(session)
    }

    /// The broker's end of the connection.
    ///
    /// # Errors
    /// `Io` if the connection is gone.
    pub fn peer(&self) -> Result<SocketAddr, SessionError> {
        self.stream.peer_addr().map_err(|source| SessionError::Io { api: "connect", source })
    }

    /// The highest version that both sides speak of `api_key`, of those in `ours`.
    ///
    /// # Errors
    /// `Version`.
    pub fn negotiate(&self, api_key: i16, ours: std::ops::RangeInclusive<i16>) -> Result<i16, SessionError> {
        let theirs = self.versions.iter().find(|(key, _, _)| *key == api_key);
        let (min, max) = theirs.map_or((-1, -1), |(_, min, max)| (*min, *max));
        let version = max.min(*ours.end());
        if version < min.max(*ours.start()) || max < 0 {
            return Err(SessionError::Version { api_key, need: *ours.end(), min, max });
        }
        Ok(version)
    }

    /// Brokers, and `topic` if it is named and exists. Never creates it.
    ///
    /// # Errors
    /// All but `Connect`.
    pub fn describe(&mut self, topic: Option<&str>) -> Result<ClusterDescription, SessionError> {
        const API: &str = "Metadata";
        let answer = self.ask(API, METADATA, |out| {
            wire::put_compact_len(out, usize::from(topic.is_some()));
            if let Some(topic) = topic {
                out.extend_from_slice(&[0; 16]);
                wire::put_compact_bytes(out, topic.as_bytes());
                out.push(0);
            }
            out.extend_from_slice(&[0, 0]); // neither create topics nor list operations
        })?;
        let (description, error) =
            read_description(&answer).map_err(|source| SessionError::Answer { api: API, source })?;
        let missing = ErrorCode::UnknownTopicOrPartition.code();
        if error != 0 && error != missing {
            return Err(SessionError::Refused { api: API, code: error, message: None });
        }
        Ok(description)
    }

    /// Creates a topic with as many replicas as given (-1: the broker's default) and waits until all partitions lead.
    ///
    /// # Errors
    /// All but `Connect`.
    pub fn create_topic(
        &mut self,
        topic: &str,
        partitions: i32,
        replicas: i16,
        configs: &[(String, String)],
    ) -> Result<(), SessionError> {
        const API: &str = "CreateTopics";
        let answer = self.ask(API, CREATE_TOPICS, |out| {
            wire::put_compact_len(out, 1);
            wire::put_compact_bytes(out, topic.as_bytes());
            out.extend_from_slice(&partitions.to_be_bytes());
            out.extend_from_slice(&replicas.to_be_bytes());
            wire::put_compact_len(out, 0);
            wire::put_compact_len(out, configs.len());
            for (name, value) in configs {
                wire::put_compact_bytes(out, name.as_bytes());
                wire::put_compact_bytes(out, value.as_bytes());
                out.push(0);
            }
            out.push(0);
            out.extend_from_slice(&60_000_i32.to_be_bytes());
            out.push(0); // not only validate
        })?;
        let read = |cursor: &mut Cursor<'_>| {
            cursor.i32()?;
            if cursor.compact_count()? != 1 {
                return Err(AnswerError::Subject);
            }
            cursor.compact_bytes()?;
            cursor.take(16)?;
            Ok((cursor.i16()?, text(cursor)?))
        };
        let (code, message) =
            read(&mut Cursor::new(&answer)).map_err(|source| SessionError::Answer { api: API, source })?;
        refuse(API, code, message)
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// All but `Connect`.
    pub fn delete_topic(&mut self, topic: &str) -> Result<(), SessionError> {
        const API: &str = "DeleteTopics";
        let answer = self.ask(API, DELETE_TOPICS, |out| {
            wire::put_compact_len(out, 1);
            wire::put_compact_bytes(out, topic.as_bytes());
            out.extend_from_slice(&[0; 16]);
            out.push(0);
            out.extend_from_slice(&60_000_i32.to_be_bytes());
        })?;
        let read = |cursor: &mut Cursor<'_>| {
            cursor.i32()?;
            if cursor.compact_count()? != 1 {
                return Err(AnswerError::Subject);
            }
            cursor.compact_bytes()?;
            cursor.take(16)?;
            Ok((cursor.i16()?, text(cursor)?))
        };
        let (code, message) =
            read(&mut Cursor::new(&answer)).map_err(|source| SessionError::Answer { api: API, source })?;
        refuse(API, code, message)
    }

    /// One end of the logs of `partitions`, in their order. The broker must lead them all.
    ///
    /// # Errors
    /// All but `Connect`.
    pub fn log_ends(&mut self, topic: &str, partitions: &[i32], end: LogEnd) -> Result<Vec<i64>, SessionError> {
        const API: &str = "ListOffsets";
        let timestamp: i64 = if end == LogEnd::Start { -2 } else { -1 };
        let answer = self.ask(API, LIST_OFFSETS, |out| {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            out.push(0);
            wire::put_compact_len(out, 1);
            wire::put_compact_bytes(out, topic.as_bytes());
            wire::put_compact_len(out, partitions.len());
            for partition in partitions {
                out.extend_from_slice(&partition.to_be_bytes());
                out.extend_from_slice(&(-1_i32).to_be_bytes());
                out.extend_from_slice(&timestamp.to_be_bytes());
                out.push(0);
            }
            out.push(0);
        })?;
        let read = |cursor: &mut Cursor<'_>| {
            cursor.i32()?;
            let mut found = Vec::new();
            for _ in 0..cursor.compact_count()? {
                cursor.compact_bytes()?;
                for _ in 0..cursor.compact_count()? {
                    let (partition, code) = (cursor.i32()?, cursor.i16()?);
                    cursor.i64()?;
                    let offset = cursor.i64()?;
                    cursor.i32()?;
                    cursor.skip_tags()?;
                    found.push((partition, code, offset));
                }
                cursor.skip_tags()?;
            }
            Ok(found)
        };
        let found = read(&mut Cursor::new(&answer)).map_err(|source| SessionError::Answer { api: API, source })?;
        let of = |partition: &i32| {
            let entry = found.iter().find(|(found, _, _)| found == partition);
            let (_, code, offset) = *entry.ok_or(SessionError::Answer { api: API, source: AnswerError::Subject })?;
            refuse(API, code, None)?;
            Ok(offset)
        };
        partitions.iter().map(of).collect()
    }

    /// A producer id and its epoch, for an idempotent producer.
    ///
    /// # Errors
    /// All but `Connect`.
    pub fn init_producer(&mut self) -> Result<(i64, i16), SessionError> {
        const API: &str = "InitProducerId";
        let answer = self.ask(API, INIT_PRODUCER_ID, |out| {
            out.push(0); // no transactional id
            out.extend_from_slice(&60_000_i32.to_be_bytes());
            out.extend_from_slice(&(-1_i64).to_be_bytes());
            out.extend_from_slice(&(-1_i16).to_be_bytes());
        })?;
        let read = |cursor: &mut Cursor<'_>| {
            cursor.i32()?;
            Ok((cursor.i16()?, cursor.i64()?, cursor.i16()?))
        };
        let (code, id, epoch) =
            read(&mut Cursor::new(&answer)).map_err(|source| SessionError::Answer { api: API, source })?;
        refuse(API, code, None)?;
        Ok((id, epoch))
    }

    fn ask_versions(&mut self) -> Result<(), SessionError> {
        const API: &str = "ApiVersions";
        let mut frame = wire::start_frame(API_VERSIONS, 0, &self.client_id);
        frame.pop(); // the header of version 1 has no tagged fields
        let answer = self.exchange(API, frame)?;
        let read = |cursor: &mut Cursor<'_>| {
            cursor.i32()?;
            let code = cursor.i16()?;
            let count = usize::try_from(cursor.i32()?).map_err(|_| AnswerError::Length)?;
            let mut versions = Vec::new();
            for _ in 0..count {
                versions.push((cursor.i16()?, cursor.i16()?, cursor.i16()?));
            }
            Ok((code, versions))
        };
        let (code, versions) =
            read(&mut Cursor::new(&answer)).map_err(|source| SessionError::Answer { api: API, source })?;
        refuse(API, code, None)?;
        self.versions = versions;
        Ok(())
    }

    /// Asks, and gives the body of the answer.
    fn ask(
        &mut self,
        api: &'static str,
        (api_key, version): (i16, i16),
        body: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Vec<u8>, SessionError> {
        self.negotiate(api_key, version..=version)?;
        let mut frame = wire::start_frame(api_key, version, &self.client_id);
        body(&mut frame);
        frame.push(0);
        let answer = self.exchange(api, frame)?;
        let read = |cursor: &mut Cursor<'_>| {
            cursor.i32()?;
            cursor.skip_tags()?;
            Ok(answer.len() - cursor.remaining())
        };
        let header = read(&mut Cursor::new(&answer)).map_err(|source| SessionError::Answer { api, source })?;
        Ok(answer[header..].to_vec())
    }

    /// Sends a frame and reads the frame that answers it.
    fn exchange(&mut self, api: &'static str, mut frame: Vec<u8>) -> Result<Vec<u8>, SessionError> {
        self.correlation = self.correlation.wrapping_add(1);
        wire::set_correlation(&mut frame, self.correlation);
        wire::seal_frame(&mut frame, 0);
        let answer = self.transfer(&frame).map_err(|source| SessionError::Io { api, source })?;
        let got = Cursor::new(&answer).i32().map_err(|source| SessionError::Answer { api, source })?;
        if got != self.correlation {
            let source = AnswerError::Correlation { expected: self.correlation, got };
            return Err(SessionError::Answer { api, source });
        }
        Ok(answer)
    }

    fn transfer(&mut self, frame: &[u8]) -> io::Result<Vec<u8>> {
        self.stream.write_all(frame)?;
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
        if size > ANSWER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the broker announces an answer of impossible size"));
        }
        let mut answer = Vec::new();
        let read = (&mut self.stream).take(size as u64).read_to_end(&mut answer)?;
        if read < size { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
    }
}

fn refuse(api: &'static str, code: i16, message: Option<String>) -> Result<(), SessionError> {
    if code == 0 { Ok(()) } else { Err(SessionError::Refused { api, code, message }) }
}

fn text(cursor: &mut Cursor<'_>) -> Result<Option<String>, AnswerError> {
    Ok(cursor.compact_bytes()?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// The description, and the error code of the topic.
fn read_description(answer: &[u8]) -> Result<(ClusterDescription, i16), AnswerError> {
    let mut cursor = Cursor::new(answer);
    cursor.i32()?;
    let mut brokers = Vec::new();
    for _ in 0..cursor.compact_count()? {
        let node = cursor.i32()?;
        let host = text(&mut cursor)?.unwrap_or_default();
        let port = u16::try_from(cursor.i32()?).map_err(|_| AnswerError::Length)?;
        cursor.compact_bytes()?;
        cursor.skip_tags()?;
        brokers.push(BrokerAddress { node, host, port });
    }
    let cluster_id = text(&mut cursor)?;
    cursor.i32()?;
    let mut found = ClusterDescription { brokers, cluster_id, topic: None };
    let mut error = 0;
    for _ in 0..cursor.compact_count()? {
        error = cursor.i16()?;
        cursor.compact_bytes()?;
        let id = cursor.take(16)?;
        let id = Uuid(*id.first_chunk().ok_or(AnswerError::Short)?);
        cursor.take(1)?;
        let leaders = read_leaders(&mut cursor)?;
        cursor.i32()?;
        cursor.skip_tags()?;
        found.topic = (error == 0).then_some(TopicDescription { id, leaders });
    }
    cursor.skip_tags()?;
    cursor.finish()?;
    Ok((found, error))
}

fn read_leaders(cursor: &mut Cursor<'_>) -> Result<Vec<i32>, AnswerError> {
    let mut partitions = Vec::new();
    for _ in 0..cursor.compact_count()? {
        let error = cursor.i16()?;
        let index = cursor.i32()?;
        let leader = cursor.i32()?;
        cursor.i32()?;
        for _ in 0..3 {
            let nodes = cursor.compact_count()?;
            cursor.take(nodes.checked_mul(4).ok_or(AnswerError::Length)?)?;
        }
        cursor.skip_tags()?;
        partitions.push((index, if error == 0 { leader } else { -1 }));
    }
    partitions.sort_unstable();
    if partitions.iter().enumerate().any(|(at, (index, _))| usize::try_from(*index) != Ok(at)) {
        return Err(AnswerError::Subject);
    }
    Ok(partitions.into_iter().map(|(_, leader)| leader).collect())
}
