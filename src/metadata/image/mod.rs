//! The cluster as the metadata log describes it, immutable once published.
//!
//! Pure: no file, no clock. The control thread feeds an [`ImageBuilder`] batch by batch and publishes the
//! [`ClusterImage`] it yields; shards hold an `Arc` of one and compare it with the next by
//! [`SharedMap::changes_since`](crate::metadata::map::SharedMap::changes_since).

mod cluster;
mod broker;
mod topic;
mod config;
mod security;
mod apply;
mod apply_partition;
mod write;

pub use apply::{ApplyError, BatchPosition, ImageBuilder};
pub use broker::{BrokerImage, ControllerImage, Listener, SupportedFeature};
pub use cluster::{ClusterImage, ELR_VERSION, METADATA_VERSION};
pub use config::{ConfigResource, Configs, ResourceType};
pub use security::{AclImage, QuotaEntity, ScramCredential, ScramKey, TokenImage};
pub(crate) use write::{broker_record, config_record, controller_record, numbers};
pub use topic::{PartitionImage, TopicImage};

#[cfg(test)]
mod tests;
