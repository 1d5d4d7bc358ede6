//! Reading a partition of `__consumer_offsets` into a coordinator.
//!
//! Other tasks of the shard run meanwhile. A record that cannot be read is told and passed over: one damaged or newer record
//! must not take all groups of the partition away. A batch that cannot be read ends the loading.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    config::BrokerConfig,
    coordinator::Coordinator,
    partition::{self, FetchFrom, PartitionHandle, Refusal},
    record::{Batches, Records},
    runtime::{buffer::Slice, clock, task, timer},
    types::{ErrorCode, Offset},
};

/// How long to wait before looking again whether what is written is also flushed.
const NOT_FLUSHED: Duration = Duration::from_millis(5);
/// Loading for longer than this is told.
const SLOW_MS: u64 = 200;

/// Reads all that is in the log now.
pub(super) async fn load(partition: &PartitionHandle, config: &Arc<BrokerConfig>) -> Result<Coordinator, Refusal> {
    partition.view().await?;
    let started_ns = clock::monotonic_ns();
    let mut loading = Loading { coordinator: Coordinator::default(), records: 0, skipped: 0, next: partition.marks().log_start() };
    let end = partition.marks().log_end();
    while loading.next < end {
        let from = FetchFrom {
            id: partition.id(),
            offset: loading.next.get(),
            max_bytes: config.groups.offsets_load_bytes,
            current_leader_epoch: None,
            last_fetched_epoch: None,
        };
        let fetched = partition::plan_fetch(partition, &from, from.max_bytes, true)?.execute().await;
        fetched.result?;
        if fetched.records.is_empty() {
            if partition.marks().high_watermark() >= end {
                break;
            }
            timer::sleep(NOT_FLUSHED).await;
            partition.view_now()?;
        }
        for slice in fetched.records {
            loading.replay(&slice, config.decompressed_bytes_max).await?;
        }
    }
    let Loading { coordinator, records, skipped, .. } = loading;
    let millis = (clock::monotonic_ns() - started_ns) / 1_000_000;
    if skipped > 0 || coordinator.unknown_records() > 0 {
        tracing::warn!(partition = %partition.name(), skipped, unknown = coordinator.unknown_records(), "records were passed over");
    }
    if millis >= SLOW_MS {
        tracing::info!(partition = %partition.name(), groups = coordinator.len(), records, millis, "the groups are loaded");
    } else {
        tracing::debug!(partition = %partition.name(), groups = coordinator.len(), records, millis, "the groups are loaded");
    }
    Ok(coordinator)
}

struct Loading {
    coordinator: Coordinator,
    records: u64,
    /// Records that could not be read, and those of transactions.
    skipped: u64,
    next: Offset,
}

impl Loading {
    async fn replay(&mut self, slice: &Slice, decompressed_bytes_max: usize) -> Result<(), Refusal> {
        let damaged = |error: &dyn std::fmt::Display| Refusal::because(ErrorCode::CorruptMessage, error.to_string());
        for batch in Batches::new(slice) {
            let batch = batch.map_err(|error| damaged(&error))?;
            self.next = batch.header.next_offset();
            if batch.header.is_control() {
                continue;
            }
            let records = Records::open(batch.bytes, decompressed_bytes_max).map_err(|error| damaged(&error))?;
            for record in records.iter() {
                let record = record.map_err(|error| damaged(&error))?;
                self.records += 1;
                // There are no transactions yet, so nobody could say whether these were committed.
                let copied = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
                if batch.header.is_transactional() {
                    self.skipped += 1;
                } else if let Err(error) = self.coordinator.replay(copied(record.key), copied(record.value)) {
                    tracing::warn!(offset = %record.offset, %error, "a record of the groups cannot be read");
                    self.skipped += 1;
                }
            }
            task::yield_if_needed().await;
        }
        Ok(())
    }
}
