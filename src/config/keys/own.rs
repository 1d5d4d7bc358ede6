//! Keys that are corelog's own; their defaults are those of `types/limits.rs` (a test compares them).

use crate::config::{Key, Valid};

pub(super) const KEYS: &[Key] = &[
    Key::int("corelog.cores", "0", "Shards, one per core; 0 is one for every core the process may run on.").valid(Valid::Range(0, 1024)),
    Key::text("corelog.acks.all", "flushed", "Default of the topic config corelog.acks.all.").valid(Valid::OneOf(&["flushed", "written"])).dynamic(),
    Key::long("corelog.memory.cache.bytes", "268435456", "Bytes of the newest records that each shard keeps in memory for readers.").min(1 << 20),
    Key::long("corelog.memory.requests.bytes", "268435456", "Bytes of requests that each shard holds at once; above it sockets are not read. At least corelog.connection.inflight.bytes.").min(1 << 20),
    Key::int("corelog.connection.inflight.max", "1024", "Requests of one connection that are in work at once; further ones stay in the socket.").min(1),
    Key::long("corelog.connection.inflight.bytes", "134217728", "Bytes of unanswered requests of one connection; above it the socket is not read. At least socket.request.max.bytes.").min(1 << 20),
    Key::long("corelog.frame.deadline.ms", "30000", "Milliseconds from the first byte of a request to its last; a slower client is disconnected.").min(100),
    Key::long("corelog.response.deadline.ms", "60000", "Milliseconds in which a client must take an answer; a slower one is disconnected.").min(100),
    Key::long("corelog.decompressed.bytes.max", "67108864", "Bytes that one record batch may decompress to.").valid(Valid::Range(1 << 20, 1 << 30)),
    Key::long("corelog.disk.reserve.bytes", "536870912", "Bytes left free on a log folder's file system before produces are refused.").min(0),
    Key::int("corelog.topics.max", "100000", "Topics of the cluster; the creation of further ones is refused.").min(1),
    Key::int("corelog.partitions.max", "200000", "Partitions of the cluster; the creation of further ones is refused.").min(1),
    Key::int("corelog.producers.per.partition.max", "100000", "Idempotent producers that one partition remembers; the longest idle one is forgotten first.").min(1),
];
