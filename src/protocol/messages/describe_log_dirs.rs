//! DescribeLogDirs (key 35): log directories and the size of the partitions in them.
//!
//! Version 2 is flexible, 3 has an error for the whole, 4 tells the capacity of the volumes (KIP-827), 5 whether a directory is
//! cordoned (KIP-1066).

use crate::{protocol::message, types::Text};

message! {
    /// Partitions of interest; null for all.
    pub struct DescribeLogDirsRequest: key 35, versions 1..=5, flexible 2 {
        topics: Option<Vec<DescribableLogDirTopic>>,
    }

    pub struct DescribableLogDirTopic {
        topic: Text,
        partitions: Vec<i32>,
    }

    /// Directories with their partitions.
    pub struct DescribeLogDirsResponse: key 35, versions 1..=5, flexible 2 {
        throttle_time_ms: i32,
        error_code: i16 { since 3, ignorable true },
        results: Vec<DescribeLogDirsResult>,
    }

    pub struct DescribeLogDirsResult {
        error_code: i16,
        log_dir: Text,
        topics: Vec<DescribeLogDirsTopic>,
        total_bytes: i64 { since 4, ignorable true, default -1 },
        usable_bytes: i64 { since 4, ignorable true, default -1 },
        is_cordoned: bool { since 5, ignorable true },
    }

    pub struct DescribeLogDirsTopic {
        name: Text,
        partitions: Vec<DescribeLogDirsPartition>,
    }

    pub struct DescribeLogDirsPartition {
        partition_index: i32,
        partition_size: i64,
        offset_lag: i64,
        is_future_key: bool,
    }
}
