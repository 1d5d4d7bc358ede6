//! DescribeConfigs (key 32), versions 1-4: the configs of resources, where their values come from, and what they mean.
//!
//! Behaviour: no keys named means all. A topic has every config with its default; a broker is described by itself only;
//! the broker without a name is the default of all brokers and has what is set there. A group has every config too. Client
//! metrics subscriptions have what is set on them; there are no loggers of Kafka's here, so their list is empty. A kind of
//! resource that does not exist refuses the whole request. Answers over [`RESPONSE_BYTES_MAX`] are cut: the resources
//! that do not fit are refused.
//! Version notes: 1 has synonyms and sources, 3 types and documentation (KIP-569).

use std::rc::Rc;

use super::{
    Api,
    dispatch::Caller,
    view::invalid_topic_message,
};
use crate::{
    config::{self, Described, Dynamic, Overrides},
    metadata::{ClusterImage, image::ResourceType},
    protocol::messages::describe_configs::{
        DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
        DescribeConfigsResult, DescribeConfigsSynonym,
    },
    runtime::task,
    types::{ErrorCode, Text},
};

/// Bytes of an answer: a small request can name one topic very often.
const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What an entry costs besides its texts.
const ENTRY_BYTES: usize = 160;
/// ConfigSource of a client metrics subscription's configs (DescribeConfigsResponse.ConfigSource).
const SOURCE_CLIENT_METRICS: i8 = 7;
/// ConfigType of text.
const TYPE_TEXT: i8 = 2;
/// Kafka's words for INVALID_REQUEST.
const INVALID_REQUEST: &str = "This most likely occurs because of a request being malformed by the client library or the message \
                               was sent to an incompatible broker. See the broker logs for more details.";

/// Why a resource is not described.
type Refused = (ErrorCode, String);

/// Answers from the image and the broker's configuration.
pub(super) async fn handle(api: &Rc<Api>, _caller: &Caller, body: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let is_kind = |resource: &DescribeConfigsResource| matches!(resource.resource_type, 2 | 4 | 8 | 16 | 32);
    let whole = body.resources.iter().all(is_kind);
    let image = api.shard.image();
    let detail = Detail { synonyms: body.include_synonyms, documentation: body.include_documentation };
    let mut left = Some(RESPONSE_BYTES_MAX);
    let mut results = Vec::with_capacity(body.resources.len());
    for resource in body.resources {
        let described = match left {
            _ if !whole => Err(invalid(INVALID_REQUEST)),
            None => Err(full()),
            Some(_) => describe(api, &image, &resource, detail).and_then(|configs| charge(configs, &mut left)),
        };
        let (error, message, configs) = match described {
            Ok(configs) => (ErrorCode::None, String::new(), configs),
            Err((error, message)) => (error, message, Vec::new()),
        };
        results.push(DescribeConfigsResult {
            error_code: error.code(),
            error_message: Some(Text::from(message)),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs,
        });
        task::yield_if_needed().await;
    }
    DescribeConfigsResponse { throttle_time_ms: 0, results }
}

/// What the client wants to know of each config.
#[derive(Clone, Copy, Debug)]
struct Detail {
    synonyms: bool,
    documentation: bool,
}

fn describe(
    api: &Api,
    image: &ClusterImage,
    resource: &DescribeConfigsResource,
    detail: Detail,
) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
    let name = &*resource.resource_name;
    let keys = resource.configuration_keys.as_deref();
    let (shard, none) = (&api.shard, Overrides::new());
    let this = shard.node_id().to_string();
    let dynamic = Dynamic {
        broker: image.configs(ResourceType::BROKER, &this).map(|configs| &**configs),
        cluster: image.configs(ResourceType::BROKER, "").map(|configs| &**configs),
    };
    let described = match ResourceType(resource.resource_type) {
        ResourceType::TOPIC => {
            if let Some(message) = invalid_topic_message(name) {
                return Err((ErrorCode::InvalidTopicException, message));
            }
            if image.topic_by_name(name).is_none() {
                return Err((ErrorCode::UnknownTopicOrPartition, String::new()));
            }
            let overrides = image.configs(ResourceType::TOPIC, name).map_or(&none, |configs| &**configs);
            config::describe_topic(shard.config(), dynamic, overrides, keys)
        }
        ResourceType::BROKER if name.is_empty() => config::describe_cluster_default(dynamic.cluster.unwrap_or(&none), keys),
        ResourceType::BROKER => {
            check_broker(name, &this, " or empty string,")?;
            config::describe_broker(shard.config(), dynamic, keys)
        }
        ResourceType::BROKER_LOGGER if name.is_empty() => return Err(invalid("Broker id must not be empty")),
        ResourceType::BROKER_LOGGER => {
            check_broker(name, &this, "")?;
            Vec::new()
        }
        ResourceType::CLIENT_METRICS if name.is_empty() => {
            return Err(invalid("Client metrics subscription name must not be empty"));
        }
        ResourceType::GROUP if name.is_empty() => return Err(invalid("Group name must not be empty")),
        ResourceType::GROUP => {
            let set = image.configs(ResourceType::GROUP, name).map_or(&none, |configs| &**configs);
            config::describe_group(shard.config(), dynamic, set, keys)
        }
        kind => return Ok(stored(image.configs(kind, name).map_or(&none, |configs| &**configs), keys, detail)),
    };
    Ok(described.into_iter().map(|config| entry(config, detail)).collect())
}

fn invalid(message: &str) -> Refused {
    (ErrorCode::InvalidRequest, message.to_owned())
}

fn check_broker(name: &str, this: &str, or_empty: &str) -> Result<(), Refused> {
    match name.parse::<i32>() {
        Ok(id) if id.to_string() == this => Ok(()),
        Ok(_) => Err(invalid(&format!("Unexpected broker id, expected {this}{or_empty} but received {name}"))),
        Err(_) => Err(invalid(&format!("Broker id must be an integer, but it is: {name}"))),
    }
}

fn entry(config: Described, detail: Detail) -> DescribeConfigsResourceResult {
    let synonyms = config.synonyms.into_iter().filter(|_| detail.synonyms).map(|synonym| DescribeConfigsSynonym {
        name: synonym.name,
        value: synonym.value,
        source: synonym.source.id(),
    });
    DescribeConfigsResourceResult {
        name: config.name,
        value: config.value,
        read_only: config.read_only,
        config_source: config.source.id(),
        is_sensitive: config.is_sensitive,
        synonyms: synonyms.collect(),
        config_type: config.kind.id(),
        documentation: detail.documentation.then(|| Text::from_static(config.doc)),
    }
}

/// What is set on a resource whose keys mean nothing here.
fn stored(
    configs: &Overrides,
    keys: Option<&[Text]>,
    detail: Detail,
) -> Vec<DescribeConfigsResourceResult> {
    let is_asked = |name: &Text| keys.is_none_or(|keys| keys.is_empty() || keys.contains(name));
    let entry = |(name, value): (&Text, &Text)| DescribeConfigsResourceResult {
        name: name.clone(),
        value: Some(value.clone()),
        config_source: SOURCE_CLIENT_METRICS,
        config_type: TYPE_TEXT,
        documentation: detail.documentation.then(Text::default),
        ..DescribeConfigsResourceResult::default()
    };
    configs.iter().filter(|(name, _)| is_asked(name)).map(entry).collect()
}

/// Takes what the configs cost from what is left of the answer; once something does not fit, nothing is left.
fn charge(
    configs: Vec<DescribeConfigsResourceResult>,
    left: &mut Option<usize>,
) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
    let text = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.as_bytes().len());
    let cost = configs.iter().map(|config| {
        let synonyms = config.synonyms.iter();
        let synonyms = synonyms.map(|one| ENTRY_BYTES + one.name.as_bytes().len() + text(&one.value)).sum::<usize>();
        ENTRY_BYTES + config.name.as_bytes().len() + text(&config.value) + text(&config.documentation) + synonyms
    });
    *left = left.and_then(|left| left.checked_sub(cost.sum()));
    if left.is_some() { Ok(configs) } else { Err(full()) }
}

fn full() -> Refused {
    invalid(&format!("The answer is full: it holds at most {RESPONSE_BYTES_MAX} bytes; ask for fewer resources at once."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;

    const PLAIN: Detail = Detail { synonyms: false, documentation: false };

    #[test]
    fn brokers_describe_themselves_only() {
        let refused = |name, or_empty| check_broker(name, "1", or_empty).map_err(|(_, message)| message);
        assert_eq!(refused("1", ""), Ok(()));
        assert_eq!(
            refused("2", " or empty string,"),
            Err("Unexpected broker id, expected 1 or empty string, but received 2".to_owned())
        );
        assert_eq!(refused("2", ""), Err("Unexpected broker id, expected 1 but received 2".to_owned()));
        assert_eq!(refused("x", ""), Err("Broker id must be an integer, but it is: x".to_owned()));
    }

    #[test]
    fn synonyms_and_documentation_are_told_to_those_who_ask() {
        let broker = BrokerConfig::embedded().unwrap();
        let keys = [Text::from_static("cleanup.policy")];
        let describe = |detail| {
            let configs = config::describe_topic(&broker, Dynamic::default(), &Overrides::new(), Some(&keys));
            configs.into_iter().map(|config| entry(config, detail)).collect::<Vec<_>>()
        };
        let [plain] = &describe(PLAIN)[..] else { panic!("one key, one entry") };
        assert_eq!((plain.config_source, plain.config_type, plain.value.as_deref()), (5, 7, Some("delete")));
        assert!(plain.synonyms.is_empty() && plain.documentation.is_none());
        let [full] = &describe(Detail { synonyms: true, documentation: true })[..] else { panic!("one key, one entry") };
        assert_eq!(full.synonyms[0].name, "log.cleanup.policy");
        assert!(full.documentation.as_ref().is_some_and(|text| !text.is_empty()));
    }

    #[test]
    fn configs_of_subscriptions_are_told_as_they_are_stored() {
        let configs = Overrides::from([
            (Text::from_static("a"), Text::from_static("1")),
            (Text::from_static("b"), Text::from_static("2")),
        ]);
        let keys = [Text::from_static("b")];
        let all = stored(&configs, None, PLAIN);
        assert_eq!(all.len(), 2);
        let asked = stored(&configs, Some(&keys), PLAIN);
        assert_eq!(asked.iter().map(|one| (&*one.name, one.config_source)).collect::<Vec<_>>(), [("b", 7)]);
    }

    #[test]
    fn an_answer_that_is_full_takes_no_more() {
        let one = || vec![DescribeConfigsResourceResult { name: Text::from_static("abcd"), ..Default::default() }];
        let mut left = Some(2 * ENTRY_BYTES);
        assert!(charge(one(), &mut left).is_ok());
        assert_eq!(left, Some(ENTRY_BYTES - 4));
        assert_eq!(charge(one(), &mut left).map_err(|(error, _)| error), Err(ErrorCode::InvalidRequest));
        assert_eq!(left, None);
    }
}
