//! Reads the partitions that a member owns, all by one request.

use std::collections::BTreeMap;

use corelog::{
    protocol::{
        messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic},
        wire,
    },
    record::Batches,
    types::Text,
};

use super::Partitions;
use crate::support::{Wire, talk, wire::NoAnswer};

/// Where a member stands in every partition that it owns.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) positions: BTreeMap<i32, i64>,
}

/// Offsets `first..end` of a partition that were read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) partition: i32,
    pub(crate) first: i64,
    pub(crate) end: i64,
}

impl Reader {
    /// Reads what is there, or waits `wait_ms` for it.
    pub(crate) fn read(&mut self, wire: &mut Wire, topic: &str, wait_ms: i32) -> Result<Vec<Run>, NoAnswer> {
        if self.positions.is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(u64::try_from(wait_ms).unwrap()));
            return Ok(Vec::new());
        }
        let partition = |(partition, offset): (&i32, &i64)| FetchPartition {
            partition: *partition,
            fetch_offset: *offset,
            partition_max_bytes: 1 << 20,
            ..FetchPartition::default()
        };
        let partitions = self.positions.iter().map(partition).collect();
        let request = FetchRequest {
            max_wait_ms: wait_ms,
            min_bytes: 1,
            max_bytes: 16 << 20,
            topics: vec![FetchTopic { topic: Text::from(topic), partitions, ..FetchTopic::default() }],
            ..FetchRequest::default()
        };
        let answer: FetchResponse = wire.try_call(&request, talk::FETCH_VERSION)?;
        assert_eq!(answer.error_code, 0);
        let mut runs = Vec::new();
        for data in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            // A partition may be known a moment before it is led.
            assert!(matches!(data.error_code, 0 | 3 | 5 | 6), "partition {}: error {}", data.partition_index, data.error_code);
            let Some(wire::Records::Bytes(bytes)) = &data.records else { continue };
            let Some(position) = self.positions.get_mut(&data.partition_index) else { continue };
            let first = *position;
            // The last batch may be cut off.
            for batch in Batches::new(bytes).map_while(Result::ok) {
                assert!(batch.header.base_offset.get() <= *position, "partition {}: a gap at {position}", data.partition_index);
                *position = batch.header.next_offset().get().max(*position);
            }
            if *position > first {
                runs.push(Run { partition: data.partition_index, first, end: *position });
            }
        }
        Ok(runs)
    }

    /// Drops partitions, and gives their positions.
    pub(crate) fn give_up(&mut self, partitions: &Partitions) -> BTreeMap<i32, i64> {
        partitions.iter().filter_map(|partition| Some((*partition, self.positions.remove(partition)?))).collect()
    }

    /// Begins partitions where the group left off, or at their start.
    pub(crate) fn take(&mut self, partitions: &Partitions, committed: &BTreeMap<i32, i64>) {
        self.positions.extend(partitions.iter().map(|partition| (*partition, committed.get(partition).copied().unwrap_or(0))));
    }
}
