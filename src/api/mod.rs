//! L7: one file per API key: decode, resolve, ask, answer. Error codes and versions are decided here and nowhere above.
//!
//! Runs on the shard of the connection. A handler may wait for partitions and for the controller, never for a disk.

pub mod exchange;

mod dispatch;
mod request;

mod fetch;
mod fetch_session;
mod produce;

mod api_versions;
mod metadata;
mod list_offsets;
mod offset_for_leader_epoch;
mod init_producer_id;
mod create_topics;
mod delete_topics;
mod create_partitions;
mod delete_records;
mod describe_configs;
mod alter_configs;
mod incremental_alter_configs;
mod list_config_resources;
mod describe_cluster;
mod describe_topic_partitions;
mod describe_log_dirs;
mod describe_producers;

mod find_coordinator;
mod join_group;
mod sync_group;
mod heartbeat;
mod leave_group;
mod offset_commit;
mod offset_fetch;
mod describe_groups;
mod list_groups;
mod delete_groups;
mod offset_delete;
mod consumer_group_heartbeat;
mod consumer_group_describe;

mod groups;
mod view;

pub use dispatch::Api;
