//! What corelog answers otherwise than Kafka 4.3, each with the reason. The comparison allows nothing else.

use super::tree::ABSENT;

/// A difference that is meant. All four patterns must match; `*` stands for any text.
#[derive(Debug)]
pub(super) struct Difference {
    /// The question of the script, with its version.
    question: &'static str,
    /// The path of the field.
    path: &'static str,
    /// Kafka's value; `(absent)` if its answer has no such field.
    kafka: &'static str,
    /// Ours.
    corelog: &'static str,
    /// Why it is so.
    #[expect(dead_code, reason = "for the reader, and for the message when the difference is gone")]
    reason: &'static str,
}

impl Difference {
    pub(super) fn covers(&self, question: &str, path: &str, kafka: &str, corelog: &str) -> bool {
        matches(self.question, question) && matches(self.path, path) && matches(self.kafka, kafka) && matches(self.corelog, corelog)
    }
}

/// True if `text` is what `pattern` says, where `*` is any text and all else is itself.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, mut pattern)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    while let Some((part, more)) = pattern.split_once('*') {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        pattern = more;
    }
    rest.ends_with(pattern)
}

/// The list.
pub(super) fn intended() -> Vec<&'static Difference> {
    [UNSERVED, FEATURES, CONFIGS, PRODUCE, OTHERS].into_iter().flatten().collect()
}

/// APIs that Kafka names in ApiVersions and corelog does not: key and name, by reason. The line of one that is served fails.
macro_rules! unserved {
    ($($reason:literal: $($key:literal $name:ident),+;)+) => {
        &[$($(Difference {
            question: "api versions*",
            path: concat!("api_keys[", $key, "]"),
            kafka: concat!("{api_key: ", $key, ", *}"),
            corelog: ABSENT,
            reason: concat!(stringify!($name), ": ", $reason),
        }),+),+]
    };
}

const UNSERVED: &[Difference] = unserved! {
    "transactions are not served yet": 24 AddPartitionsToTxn, 25 AddOffsetsToTxn, 26 EndTxn, 27 WriteTxnMarkers, 28 TxnOffsetCommit, 65 DescribeTransactions, 66 ListTransactions;
    "there is no security yet": 17 SaslHandshake, 36 SaslAuthenticate, 29 DescribeAcls, 30 CreateAcls, 31 DeleteAcls, 38 CreateDelegationToken, 39 RenewDelegationToken, 40 ExpireDelegationToken, 41 DescribeDelegationToken, 50 DescribeUserScramCredentials, 51 AlterUserScramCredentials;
    "a cluster has one node yet": 34 AlterReplicaLogDirs, 43 ElectLeaders, 45 AlterPartitionReassignments, 46 ListPartitionReassignments, 55 DescribeQuorum, 57 UpdateFeatures, 64 UnregisterBroker, 80 AddRaftVoter, 81 RemoveRaftVoter;
    "quotas are not served yet": 48 DescribeClientQuotas, 49 AlterClientQuotas;
    "share groups are not served yet": 76 ShareGroupHeartbeat, 77 ShareGroupDescribe, 78 ShareFetch, 79 ShareAcknowledge, 83 InitializeShareGroupState, 84 ReadShareGroupState, 85 WriteShareGroupState, 86 DeleteShareGroupState, 87 ReadShareGroupStateSummary, 90 DescribeShareGroupOffsets, 91 AlterShareGroupOffsets, 92 DeleteShareGroupOffsets;
    "streams groups are not served yet": 88 StreamsGroupHeartbeat, 89 StreamsGroupDescribe;
};

/// A feature that Kafka finalizes and corelog neither supports nor finalizes.
macro_rules! features {
    ($($name:literal: $reason:literal;)+) => {
        &[$(
            Difference {
                question: "api versions*",
                path: concat!("finalized_features[", $name, "]"),
                kafka: concat!("{name: \"", $name, "\", *}"),
                corelog: ABSENT,
                reason: $reason,
            },
            // Versions before 4 of the answer leave out what has 0 as its minimum.
            Difference {
                question: "api versions v4",
                path: concat!("supported_features[", $name, "]"),
                kafka: concat!("{name: \"", $name, "\", min_version: 0, *}"),
                corelog: ABSENT,
                reason: $reason,
            },
        )+]
    };
}

const FEATURES: &[Difference] = features! {
    "eligible.leader.replicas.version": "it says something about clusters of several nodes";
    "share.version": "share groups are not served yet";
    "streams.version": "streams groups are not served yet";
    "transaction.version": "transactions are not served yet";
};

const CONFIGS: &[Difference] = &[
    Difference {
        question: "c*",
        path: "*.configs[corelog.acks.all]",
        kafka: ABSENT,
        corelog: "{name: \"corelog.acks.all\", value: \"flushed\", *}",
        reason: "a config of ours: what acks=all waits for",
    },
    Difference {
        question: "configs *",
        path: "*.configs[*].documentation",
        kafka: "\"*\"",
        corelog: "\"*\"",
        reason: "the words are our own; that there are some is compared",
    },
    Difference {
        question: "c*",
        path: "*.configs[min.insync.replicas].config_source",
        kafka: "3",
        corelog: "5",
        reason: "with eligible.leader.replicas.version Kafka sets min.insync.replicas for the cluster when it is formatted",
    },
    Difference {
        question: "configs of a topic with synonyms *",
        path: "*.configs[min.insync.replicas].synonyms[min.insync.replicas].source",
        kafka: "3",
        corelog: "5",
        reason: "with eligible.leader.replicas.version Kafka sets min.insync.replicas for the cluster when it is formatted",
    },
    Difference {
        question: "configs of a topic with synonyms *",
        path: "*.configs[min.insync.replicas].synonyms[min.insync.replicas#2]",
        kafka: "{name: \"min.insync.replicas\", value: \"1\", source: 5}",
        corelog: ABSENT,
        reason: "with eligible.leader.replicas.version Kafka sets min.insync.replicas for the cluster when it is formatted",
    },
    Difference {
        question: "configs of the broker *",
        path: "results[1, 4].configs[node.id].synonyms[node.id#2]",
        kafka: ABSENT,
        corelog: "{name: \"node.id\", value: \"1\", source: 5}",
        reason: "corelog starts without a node.id, with 1",
    },
    Difference {
        question: "create with message.format.version=*",
        path: "topics[config-message.format.version].error_message",
        kafka: "\"Unknown topic config name: message.format.version\"",
        corelog: "\"Unknown topic config name: message.format.version; *\"",
        reason: "the refusal of a config that Kafka once had says what became of it",
    },
    Difference {
        question: "alter an unknown key of the broker v1",
        path: "responses[1, 4].error_code",
        kafka: "0",
        corelog: "42",
        reason: "Kafka keeps unknown keys for plugins; here nothing is accepted and then ignored",
    },
    Difference {
        question: "alter an unknown key of the broker v1",
        path: "responses[1, 4].error_message",
        kafka: "None",
        corelog: "\"Unknown broker config name: no.such.key\"",
        reason: "Kafka keeps unknown keys for plugins; here nothing is accepted and then ignored",
    },
    Difference {
        question: "alter: an unknown operation *",
        path: "responses[configured, 2].error_code",
        kafka: "-1",
        corelog: "42",
        reason: "Kafka fails with an internal error; the request is at fault",
    },
    Difference {
        question: "alter: an unknown operation *",
        path: "responses[configured, 2].error_message",
        kafka: "None",
        corelog: "\"Unknown operations type 9\"",
        reason: "Kafka fails with an internal error; the request is at fault",
    },
];

const PRODUCE: &[Difference] = &[
    Difference {
        question: "produce *",
        path: "responses[*].partition_responses[*].error_message",
        kafka: "None",
        corelog: "\"*\"",
        reason: "a refusal says what is wrong where Kafka says nothing; the code is compared",
    },
    Difference {
        question: "produce null records v13",
        path: "outcome",
        kafka: "silence",
        corelog: "{responses: [{*error_code: 87,*}",
        reason: "Kafka's handler fails and never answers",
    },
    Difference {
        question: "produce a batch with a length too long v12",
        path: "responses[shaped].partition_responses[0].error_code",
        kafka: "-1",
        corelog: "87",
        reason: "Kafka fails with an internal error (its length passes 2^31); the batch is at fault",
    },
    Difference {
        question: "produce a batch of a codec that is not there v12",
        path: "responses[shaped].partition_responses[0].error_code",
        kafka: "-1",
        corelog: "76",
        reason: "Kafka fails with an internal error; the codec is at fault",
    },
    Difference {
        question: "produce a batch that is not what its codec makes v12",
        path: "responses[shaped].partition_responses[0].error_code",
        kafka: "-1",
        corelog: "87",
        reason: "Kafka fails with an internal error; the batch is at fault",
    },
    Difference {
        question: "produce a batch with damage in its gzip v12",
        path: "responses[shaped].partition_responses[0].error_code",
        kafka: "-1",
        corelog: "87",
        reason: "Kafka fails with an internal error; the batch is at fault",
    },
];

const OTHERS: &[Difference] = &[
    Difference {
        question: "modern heartbeat, the pattern * v1",
        path: "error_message",
        kafka: "\"SubscribedTopicRegex `*` is not a valid regular expression: *",
        corelog: "\"SubscribedTopicRegex `*` is not a valid regular expression: *",
        reason: "another engine says in its own words what is wrong with an expression",
    },
    Difference {
        question: "api versions*",
        path: "api_keys[18].max_version",
        kafka: "4",
        corelog: "5",
        reason: "ApiVersions 5 came with Kafka 4.4",
    },
    Difference {
        question: "api versions*",
        path: "supported_features[metadata.version].min_version",
        kafka: "7",
        corelog: "30",
        reason: "corelog reads and writes the metadata log of one version",
    },
    Difference {
        question: "metadata that makes *",
        path: "topics[*].error_code",
        kafka: "3",
        corelog: "0",
        reason: "a topic is made before the answer that asked for it, which spares the client a retry",
    },
    Difference {
        question: "metadata that makes *",
        path: "topics[*].topic_id",
        kafka: "AAAAAAAAAAAAAAAAAAAAAA",
        corelog: "id of *",
        reason: "a topic is made before the answer that asked for it, which spares the client a retry",
    },
    Difference {
        question: "metadata that makes *",
        path: "topics[*].partitions[*]",
        kafka: ABSENT,
        corelog: "{error_code: 0, *}",
        reason: "a topic is made before the answer that asked for it, which spares the client a retry",
    },
    Difference {
        question: "fetch a batch and a half *",
        path: "responses[*].partitions[0].records[2]",
        kafka: "part of a batch",
        corelog: ABSENT,
        reason: "the limit cuts between batches: clients drop the part of one, and fetch it again",
    },
    Difference {
        question: "list the largest time after deleting all v7",
        path: "topics[emptied].partitions[0].offset",
        kafka: "4",
        corelog: "-1",
        reason: "Kafka names a record that was deleted",
    },
    Difference {
        question: "list the largest time after deleting all v7",
        path: "topics[emptied].partitions[0].timestamp",
        kafka: "*",
        corelog: "-1",
        reason: "Kafka names a record that was deleted",
    },
    Difference {
        question: "list the largest time after deleting all v7",
        path: "topics[emptied].partitions[0].leader_epoch",
        kafka: "0",
        corelog: "-1",
        reason: "Kafka names a record that was deleted",
    },
];

#[test]
fn patterns_match_as_they_read() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("*", "", true),
        ("a*c", "abc", true),
        ("a*c", "abd", false),
        ("*[x].*.y", "t[x].a.b.y", true),
        ("*[x].*.y", "t[x].y", false),
        ("ab*ba", "aba", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}
