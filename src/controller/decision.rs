//! What a decision is made from, and what it is.
//!
//! Pure.

use std::sync::Arc;

use crate::{
    config::{BrokerConfig, Dynamic, Overrides, TopicConfig},
    metadata::{
        ClusterImage,
        image::{Configs, ResourceType},
        records::MetadataRecord,
    },
    types::{ErrorCode, NodeId, Text, TopicNameError, check_topic_name, limits::TOPIC_NAME_BYTES_MAX},
};

/// What decisions are made from: the cluster as it is with everything decided so far, and this broker's configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) image: &'a ClusterImage,
    pub(super) config: &'a BrokerConfig,
    pub(super) node: NodeId,
}

impl<'a> View<'a> {
    /// The configs set on a resource.
    pub(super) fn configs(&self, resource_type: ResourceType, name: &str) -> Option<&'a Configs> {
        self.image.configs(resource_type, name).map(Arc::as_ref)
    }

    /// The dynamic configs that this broker goes by.
    pub(super) fn dynamic(&self) -> Dynamic<'a> {
        Dynamic {
            broker: self.configs(ResourceType::BROKER, &self.node.to_string()),
            cluster: self.configs(ResourceType::BROKER, ""),
        }
    }

    /// The configs of topics without their own.
    pub(super) fn topic_defaults(&self) -> TopicConfig {
        TopicConfig::defaults(self.config, self.dynamic())
    }

    /// The configs of one topic, given those of all.
    pub(super) fn topic_config(&self, defaults: &TopicConfig, topic: &str) -> TopicConfig {
        match self.configs(ResourceType::TOPIC, topic) {
            Some(overrides) => defaults.with(overrides),
            None => defaults.clone(),
        }
    }
}

/// No configs at all.
pub(super) static NO_CONFIGS: Overrides = Overrides::new();

/// What is to be written into the log, and what is to be said once it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Decision<T> {
    /// To be written together, or not at all.
    pub(super) records: Vec<MetadataRecord>,
    pub(super) answer: T,
}

/// A part of a request that is not done, and why, in Kafka's code and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    /// For `ErrorMessage`; Kafka leaves it out for a few codes.
    pub(super) message: Option<Text>,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(Text::from(message.into())) }
    }

    /// A code that says everything.
    pub(super) fn bare(code: ErrorCode) -> Self {
        Self { code, message: None }
    }

    /// The two fields of an answer, for a success as well.
    pub(super) fn fields(result: Result<(), Refusal>) -> (i16, Option<Text>) {
        match result {
            Ok(()) => (ErrorCode::None as i16, None),
            Err(refusal) => (refusal.code as i16, refusal.message),
        }
    }
}

impl From<crate::config::ConfigRefusal> for Refusal {
    fn from(refusal: crate::config::ConfigRefusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}

/// Checks a topic name; the refusal reads as Kafka's (Topic.java).
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    let reason = match check_topic_name(name) {
        Ok(()) => return Ok(()),
        Err(TopicNameError::Empty) => "the empty string is not allowed".to_owned(),
        Err(TopicNameError::Dots) => format!("'{name}' is not allowed"),
        Err(TopicNameError::TooLong) => {
            format!("the length of '{name}' is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}")
        }
        Err(TopicNameError::Character) => {
            format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
        }
    };
    Err(Refusal::new(ErrorCode::InvalidTopicException, format!("Topic name is invalid: {reason}")))
}
