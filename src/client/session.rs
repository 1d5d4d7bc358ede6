//! A connection for the questions around the load: which versions, where partitions lead, make and delete topics, where
//! logs begin and end, what is configured. One question at a time, on a thread that may block; never on a shard.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    ops::RangeInclusive,
    time::Duration,
};

use bytes::Bytes;

use crate::{
    protocol::{
        Message,
        api,
        header::{ResponseHeader, request_frame},
        messages::{
            api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse},
            create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic},
            create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse},
            delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse},
            describe_configs::{DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse},
            init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
            list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic},
            metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
        },
        wire::{Reader, WireError},
    },
    types::{ErrorCode, Text, Uuid},
};

use super::frames::ANSWER_BYTES_MAX;

/// Milliseconds that the broker may take to make or delete a topic.
const TOPIC_TIMEOUT_MS: i32 = 60_000;
/// Partitions that are asked for at a time: a controller writes at most 10,000 records for one request
/// (QuorumController.MAX_RECORDS_PER_USER_OP).
const PARTITIONS_AT_A_TIME: i32 = 5_000;
/// Resource types of DescribeConfigs.
const TOPIC_RESOURCE: i8 = 2;
const BROKER_RESOURCE: i8 = 4;

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
    /// The broker took the question and said nothing.
    #[error("{api}: no answer within {} s", waited.as_secs_f64())]
    Silent {
        /// The question.
        api: &'static str,
        /// How long it had.
        waited: Duration,
    },
    /// Question or answer is not what the protocol allows.
    #[error("{api}: {source}")]
    Wire {
        /// The question.
        api: &'static str,
        /// What is wrong with it.
        source: WireError,
    },
    /// The answer is to another question.
    #[error("{api}: the answer is not about what was asked")]
    Subject {
        /// The question.
        api: &'static str,
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
    #[error("{api}: {}{}", name_of(*code), words(message))]
    Refused {
        /// The question.
        api: &'static str,
        /// Kafka's error code.
        code: i16,
        /// The broker's words, if it has any.
        message: Option<String>,
    },
}

/// An error code as people read it: Kafka's name and the number.
pub fn name_of(code: i16) -> String {
    let name = ErrorCode::from_code(code).map_or("an error code unknown to this client", ErrorCode::name);
    format!("{name} ({code})")
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
    client_id: Text,
    correlation: i32,
    versions: Vec<ApiVersion>,
    timeout: Duration,
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
    /// `Connect`, `Io`, `Wire`, `Subject`, `Refused`.
    pub fn open(address: &str, client_id: &str, timeout: Duration) -> Result<Self, SessionError> {
        let stream = connect(address, timeout)?;
        let client_id = Text::from(client_id);
        let mut session = Self { stream, client_id, correlation: 0, versions: Vec::new(), timeout };
        session.wait_at_most(timeout)?;
        // Version 0 is answered by every broker.
        let answer: ApiVersionsResponse = session.exchange("ApiVersions", &ApiVersionsRequest::default(), 0)?;
        refuse("ApiVersions", answer.error_code, None)?;
        session.versions = answer.api_keys;
        Ok(session)
    }

    /// Bounds every later answer by `timeout`.
    ///
    /// # Errors
    /// `Io` if the connection is gone.
    pub fn wait_at_most(&mut self, timeout: Duration) -> Result<(), SessionError> {
        let failed = |source| SessionError::Io { api: "connect", source };
        self.timeout = timeout;
        self.stream.set_read_timeout(Some(timeout)).map_err(failed)?;
        self.stream.set_write_timeout(Some(timeout)).map_err(failed)
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
    pub fn negotiate(&self, api_key: i16, ours: RangeInclusive<i16>) -> Result<i16, SessionError> {
        let theirs = self.versions.iter().find(|version| version.api_key == api_key);
        let (min, max) = theirs.map_or((-1, -1), |version| (version.min_version, version.max_version));
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
        let topics = topic.map(|name| MetadataRequestTopic { name: Some(name.into()), ..MetadataRequestTopic::default() });
        let request = MetadataRequest {
            topics: Some(topics.into_iter().collect()),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let answer: MetadataResponse = self.ask(API, &request)?;
        refuse(API, answer.error_code, None)?;
        let brokers = answer.brokers.iter().map(|broker| {
            let port = u16::try_from(broker.port).map_err(|_| SessionError::Subject { api: API })?;
            Ok(BrokerAddress { node: broker.node_id, host: broker.host.to_string(), port })
        });
        let mut found = ClusterDescription {
            brokers: brokers.collect::<Result<_, SessionError>>()?,
            cluster_id: answer.cluster_id.map(|id| id.to_string()),
            topic: None,
        };
        for described in answer.topics {
            if described.error_code == ErrorCode::UnknownTopicOrPartition.code() {
                continue;
            }
            refuse(API, described.error_code, None)?;
            let mut partitions = described.partitions;
            partitions.sort_unstable_by_key(|partition| partition.partition_index);
            if partitions.iter().zip(0..).any(|(partition, at)| partition.partition_index != at) {
                return Err(SessionError::Subject { api: API });
            }
            let leader = |error_code, leader| if error_code == 0 { leader } else { -1 };
            let leaders = partitions.iter().map(|partition| leader(partition.error_code, partition.leader_id)).collect();
            found.topic = Some(TopicDescription { id: described.topic_id, leaders });
        }
        Ok(found)
    }

    /// Creates a topic with as many replicas as given (-1: the broker's default); one of many partitions in steps.
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
        let config = |(name, value): &(String, String)| CreatableTopicConfig {
            name: name.as_str().into(),
            value: Some(value.as_str().into()),
        };
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: topic.into(),
                num_partitions: partitions.min(PARTITIONS_AT_A_TIME),
                replication_factor: replicas,
                assignments: Vec::new(),
                configs: configs.iter().map(config).collect(),
            }],
            timeout_ms: TOPIC_TIMEOUT_MS,
            validate_only: false,
        };
        let answer: CreateTopicsResponse = self.ask(API, &request)?;
        let [result] = &answer.topics[..] else { return Err(SessionError::Subject { api: API }) };
        refuse(API, result.error_code, result.error_message.as_ref())?;
        let mut count = PARTITIONS_AT_A_TIME;
        while count < partitions {
            count = count.saturating_add(PARTITIONS_AT_A_TIME).min(partitions);
            self.grow_topic(topic, count)?;
        }
        Ok(())
    }

    fn grow_topic(&mut self, topic: &str, count: i32) -> Result<(), SessionError> {
        const API: &str = "CreatePartitions";
        let request = CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic { name: topic.into(), count, assignments: None }],
            timeout_ms: TOPIC_TIMEOUT_MS,
            validate_only: false,
        };
        let answer: CreatePartitionsResponse = self.ask(API, &request)?;
        let [result] = &answer.results[..] else { return Err(SessionError::Subject { api: API }) };
        refuse(API, result.error_code, result.error_message.as_ref())
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// All but `Connect`.
    pub fn delete_topic(&mut self, topic: &str) -> Result<(), SessionError> {
        const API: &str = "DeleteTopics";
        let request = DeleteTopicsRequest {
            topics: vec![DeleteTopicState { name: Some(topic.into()), topic_id: Uuid::ZERO }],
            timeout_ms: TOPIC_TIMEOUT_MS,
            ..DeleteTopicsRequest::default()
        };
        let answer: DeleteTopicsResponse = self.ask(API, &request)?;
        let [result] = &answer.responses[..] else { return Err(SessionError::Subject { api: API }) };
        refuse(API, result.error_code, result.error_message.as_ref())
    }

    /// One end of the logs of `partitions`, in their order. The broker must lead them all.
    ///
    /// # Errors
    /// All but `Connect`.
    pub fn log_ends(&mut self, topic: &str, partitions: &[i32], end: LogEnd) -> Result<Vec<i64>, SessionError> {
        const API: &str = "ListOffsets";
        let timestamp = if end == LogEnd::Start { -2 } else { -1 };
        let of = |partition: &i32| ListOffsetsPartition {
            partition_index: *partition,
            timestamp,
            ..ListOffsetsPartition::default()
        };
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic { name: topic.into(), partitions: partitions.iter().map(of).collect() }],
            ..ListOffsetsRequest::default()
        };
        let answer: ListOffsetsResponse = self.ask(API, &request)?;
        let found: Vec<_> = answer.topics.iter().flat_map(|topic| &topic.partitions).collect();
        let of = |partition: &i32| {
            let entry = found.iter().find(|found| found.partition_index == *partition);
            let entry = entry.ok_or(SessionError::Subject { api: API })?;
            refuse(API, entry.error_code, None)?;
            Ok(entry.offset)
        };
        partitions.iter().map(of).collect()
    }

    /// A producer id and its epoch, for an idempotent producer.
    ///
    /// # Errors
    /// All but `Connect`.
    pub fn init_producer(&mut self) -> Result<(i64, i16), SessionError> {
        const API: &str = "InitProducerId";
        let request = InitProducerIdRequest { transaction_timeout_ms: TOPIC_TIMEOUT_MS, ..InitProducerIdRequest::default() };
        let answer: InitProducerIdResponse = self.ask(API, &request)?;
        refuse(API, answer.error_code, None)?;
        Ok((answer.producer_id, answer.producer_epoch))
    }

    /// Every config of a topic with its value; those that have none are left out.
    ///
    /// # Errors
    /// All but `Connect`.
    pub fn topic_configs(&mut self, topic: &str) -> Result<Vec<(String, String)>, SessionError> {
        self.configs(TOPIC_RESOURCE, topic)
    }

    /// Every config of a broker with its value; those that have none, or are secret, are left out.
    ///
    /// # Errors
    /// All but `Connect`.
    pub fn broker_configs(&mut self, node: i32) -> Result<Vec<(String, String)>, SessionError> {
        self.configs(BROKER_RESOURCE, &node.to_string())
    }

    fn configs(&mut self, resource_type: i8, name: &str) -> Result<Vec<(String, String)>, SessionError> {
        const API: &str = "DescribeConfigs";
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type,
                resource_name: name.into(),
                configuration_keys: None,
            }],
            ..DescribeConfigsRequest::default()
        };
        let answer: DescribeConfigsResponse = self.ask(API, &request)?;
        let [result] = &answer.results[..] else { return Err(SessionError::Subject { api: API }) };
        refuse(API, result.error_code, result.error_message.as_ref())?;
        let pairs = result.configs.iter().filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())));
        Ok(pairs.collect())
    }

    /// Asks in the highest version that both sides speak.
    pub(super) fn ask<Q: Message, A: Message>(&mut self, api: &'static str, request: &Q) -> Result<A, SessionError> {
        self.ask_within(api, request, Q::VERSIONS)
    }

    /// Asks in the highest version that both sides speak, of those in `versions`.
    pub(super) fn ask_within<Q: Message, A: Message>(
        &mut self,
        api: &'static str,
        request: &Q,
        versions: RangeInclusive<i16>,
    ) -> Result<A, SessionError> {
        let version = self.negotiate(Q::API_KEY, versions)?;
        self.exchange(api, request, version)
    }

    /// Sends a whole frame, and reads the one that answers it.
    ///
    /// # Errors
    /// `Io`, `Silent`.
    pub fn exchange_frame(&mut self, api: &'static str, frame: &[u8]) -> Result<Vec<u8>, SessionError> {
        let waited = self.timeout;
        self.transfer(frame).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => SessionError::Silent { api, waited },
            _ => SessionError::Io { api, source },
        })
    }

    /// Sends a request and reads what answers it, to its end.
    fn exchange<Q: Message, A: Message>(
        &mut self,
        api: &'static str,
        request: &Q,
        version: i16,
    ) -> Result<A, SessionError> {
        let wire = |source| SessionError::Wire { api, source };
        self.correlation = self.correlation.wrapping_add(1);
        let frame = request_frame(self.correlation, Some(self.client_id.clone()), request, version).map_err(wire)?;
        let answer = self.exchange_frame(api, &frame)?;
        let info = api::served(Q::API_KEY).ok_or(SessionError::Subject { api })?;
        let mut reader = Reader::new(Bytes::from(answer));
        let header = ResponseHeader::decode(&mut reader, info, version).map_err(wire)?;
        if header.correlation_id != self.correlation {
            return Err(SessionError::Subject { api });
        }
        let message = A::decode(&mut reader, version).map_err(wire)?;
        reader.expect_end().map_err(wire)?;
        Ok(message)
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

pub(super) fn refuse(api: &'static str, code: i16, message: Option<&Text>) -> Result<(), SessionError> {
    let refused = || SessionError::Refused { api, code, message: message.map(|words| words.to_string()) };
    if code == 0 { Ok(()) } else { Err(refused()) }
}
