//! L1: what an operator or a client may set, what it means, and where a value came from.
//!
//! ```text
//! default < server.properties < --override        (static, known at the start)   layers, broker
//!         < all brokers' default < this broker    (dynamic, in the metadata log) resolve, broker
//!                   < topic                        (dynamic, in the metadata log) resolve, topic
//! ```
//!
//! Every key of Kafka 4.3 and every `corelog.*` key is one row of a table (`keys/`): type, default, valid values, and
//! its *standing*: honoured, without an effect and why that hurts nobody, or refused and why. Nothing is accepted and
//! ignored without being said. Pure: text and maps in, values and refusals out; no file is read here.

pub mod properties;

mod value;
pub use value::Value;

mod key;
pub use key::{Change, Key, Kind, Standing, Valid};

pub mod keys;

mod layers;
pub use layers::{ConfigError, Layers, Notice, Origin, Problem, Setting};

mod resolve;
pub use resolve::{Dynamic, Overrides, Source};

mod listener;
mod listener_keys;
pub use listener::Listener;

mod groups;
pub use groups::{Bounded, ConsumerGroupConfig, GroupConfig};

pub mod broker;
pub use broker::{BrokerConfig, LiveConfig};

pub mod topic;
pub use topic::TopicConfig;

mod describe;
pub use describe::{Described, Synonym, describe_broker, describe_cluster_default, describe_topic};

mod alter;
pub use alter::{
    AlterOp, Alteration, ConfigChange, ConfigRefusal, alter_broker, alter_topic, check_new_internal_topic, check_new_topic, replace_broker,
    replace_topic,
};

mod group_resource;
pub use group_resource::{alter_group, describe_group, replace_group};

#[cfg(test)]
mod tests;
