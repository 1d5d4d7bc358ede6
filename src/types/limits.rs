//! Every bound of the broker in one place, with the assertions that tie related ones together.
//!
//! A limit that an operator may move is a default here and names its setting; the others are fixed by a format or by
//! the protocol. A refusal names the limit, its value and the setting.

/// Bytes in a KiB, for the arithmetic below.
pub const KIB: usize = 1024;
/// Bytes in a MiB.
pub const MIB: usize = 1024 * KIB;

/// Longest topic name in bytes (Topic.java): leaves room for `-<partition>` and `.<uuid>-delete` in a file name.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;
/// Largest frame in bytes a client may announce (`socket.request.max.bytes`).
pub const FRAME_BYTES_MAX: usize = 100 * MIB;
/// Largest frame in bytes before authentication (`sasl.server.max.receive.size`).
pub const FRAME_BYTES_MAX_UNAUTHENTICATED: usize = 512 * KIB;
/// Requests of one connection that may be in work at once; further ones stay in the socket (`corelog.connection.inflight.max`).
pub const CONNECTION_INFLIGHT_MAX: usize = 1024;
/// Unanswered request bytes of one connection; above it the socket is not read (`corelog.connection.inflight.bytes`).
pub const CONNECTION_INFLIGHT_BYTES: usize = 128 * MIB;
/// Connections of the whole broker (`max.connections`).
pub const CONNECTIONS_MAX: usize = 10_000;
/// Milliseconds a connection may stay silent (`connections.max.idle.ms`).
pub const CONNECTION_IDLE_MS: u64 = 600_000;
/// Milliseconds from the first byte of a frame to its last (`corelog.frame.deadline.ms`).
pub const FRAME_DEADLINE_MS: u64 = 30_000;
/// Milliseconds in which a client must take an answer (`corelog.response.deadline.ms`).
pub const RESPONSE_DEADLINE_MS: u64 = 60_000;
/// Bytes of request bodies that one shard holds at once (`corelog.memory.requests.bytes`).
pub const SHARD_REQUEST_BYTES: usize = 256 * MIB;
/// Bytes of the newest batches that one shard keeps for readers (`corelog.memory.cache.bytes`).
pub const SHARD_CACHE_BYTES: usize = 256 * MIB;
/// Bytes of records in one fetch answer (`fetch.max.bytes`).
pub const FETCH_BYTES_MAX: usize = 55 * MIB;
/// Fetch sessions of the whole broker (`max.incremental.fetch.session.cache.slots`).
pub const FETCH_SESSIONS_MAX: usize = 1000;
/// Partitions in one answer of DescribeTopicPartitions (`max.request.partition.size.limit`).
pub const DESCRIBE_PARTITIONS_MAX: usize = 2000;
/// Topics of the cluster (`corelog.topics.max`).
pub const TOPICS_MAX: usize = 100_000;
/// Partitions of the cluster (`corelog.partitions.max`); each costs files, memory and start-up time.
pub const PARTITIONS_MAX: usize = 200_000;
/// Partitions that one CreateTopics or CreatePartitions request may make (QuorumController.java).
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;
/// Bytes that one batch may decompress to (`corelog.decompressed.bytes.max`).
pub const DECOMPRESSED_BYTES_MAX: usize = 64 * MIB;
/// Messages that a link between two shards holds; a full link is back-pressure.
pub const LINK_CAPACITY: usize = 1024;
/// Producers with state in one partition (`corelog.producers.per.partition.max`); the longest idle one goes first.
pub const PRODUCERS_PER_PARTITION_MAX: usize = 100_000;
/// Members of one group, those that are about to join included; Kafka's `group.max.size` has no bound of its own.
pub const GROUP_MEMBERS_MAX: usize = 100_000;
/// Newest batches of a producer in which a duplicate is recognised (ProducerStateEntry.java).
pub const PRODUCER_BATCHES_RETAINED: usize = 5;
/// Alignment in bytes of direct I/O: memory, position and length.
pub const IO_ALIGNMENT: usize = 4 * KIB;
/// Depth of nested structures in a request; Kafka's deepest is 4.
pub const MESSAGE_DEPTH_MAX: usize = 8;
/// Smallest `segment.bytes` a client may set (LogConfig.java, Kafka 4.0).
pub const SEGMENT_BYTES_MIN: usize = MIB;
/// Bytes left free on a log directory before produces are refused (`corelog.disk.reserve.bytes`).
pub const DISK_RESERVE_BYTES: usize = 512 * MIB;

const _: () = assert!(FRAME_BYTES_MAX_UNAUTHENTICATED <= FRAME_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX <= CONNECTION_INFLIGHT_BYTES, "one connection must be able to send the largest frame");
const _: () = assert!(CONNECTION_INFLIGHT_BYTES <= SHARD_REQUEST_BYTES, "one connection must not be able to starve its shard for ever");
const _: () = assert!(FRAME_BYTES_MAX >= FETCH_BYTES_MAX, "what one broker sends another must be able to receive");
const _: () = assert!(IO_ALIGNMENT.is_power_of_two());
