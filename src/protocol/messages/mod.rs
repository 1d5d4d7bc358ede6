//! The APIs: one file per key, with its request and its response. Fields have Kafka's names in snake case.
#![expect(missing_docs, reason = "the fields are Kafka's and are documented in its protocol guide; what matters of them is told at the API")]

pub mod produce;
pub mod fetch;
pub mod list_offsets;
pub mod metadata;
pub mod api_versions;
pub mod create_topics;
pub mod delete_topics;
pub mod delete_records;
pub mod init_producer_id;
pub mod offset_for_leader_epoch;
pub mod describe_configs;
pub mod alter_configs;
pub mod describe_log_dirs;
pub mod create_partitions;
pub mod incremental_alter_configs;
pub mod describe_cluster;
pub mod describe_producers;
pub mod list_config_resources;
pub mod describe_topic_partitions;
pub mod find_coordinator;
pub mod join_group;
pub mod sync_group;
pub mod heartbeat;
pub mod leave_group;
pub mod offset_commit;
pub mod offset_fetch;
pub mod describe_groups;
pub mod list_groups;
pub mod delete_groups;
pub mod offset_delete;
pub mod consumer_group_heartbeat;
pub mod consumer_group_describe;
