//! Small identifiers that must not be mixed up: all are plain numbers on the wire.

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number for the wire and for files.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// `node.id` of a broker or controller.
    NodeId(i32)
}
number! {
    /// Counts the leaders of one partition; stamped into every batch (`partitionLeaderEpoch`). Starts at 0.
    LeaderEpoch(i32)
}
number! {
    /// The offset of a broker's registration record in the metadata log; names one incarnation of the broker.
    BrokerEpoch(i64)
}
number! {
    /// Names one idempotent producer, unique in the cluster.
    ProducerId(i64)
}
number! {
    /// Generation of a producer id: a newer one fences the older.
    ProducerEpoch(i16)
}
number! {
    /// Index of a shard (a core's executor), 0..N.
    ShardId(u16)
}

impl ShardId {
    /// As an index into per-shard tables.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
