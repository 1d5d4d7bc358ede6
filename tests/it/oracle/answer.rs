//! Answers as trees. Records in a fetch answer are shown batch by batch, because their bytes hold what may differ.

use corelog::{
    protocol::{Message, messages, wire},
    record::{Batch, Batches, Record, Records},
};

use super::tree::{self, Tree};

/// An answer that can be compared.
pub(super) trait Answer: Message + std::fmt::Debug {
    /// The answer as a tree of its fields.
    fn tree(&self) -> Tree {
        tree::parse(&format!("{self:#?}"))
    }
}

macro_rules! answers {
    ($($file:ident :: $name:ident),* $(,)?) => { $(impl Answer for messages::$file::$name {})* };
}

answers! {
    alter_configs::AlterConfigsResponse,
    api_versions::ApiVersionsResponse,
    create_partitions::CreatePartitionsResponse,
    create_topics::CreateTopicsResponse,
    delete_records::DeleteRecordsResponse,
    delete_topics::DeleteTopicsResponse,
    describe_cluster::DescribeClusterResponse,
    describe_configs::DescribeConfigsResponse,
    describe_log_dirs::DescribeLogDirsResponse,
    describe_producers::DescribeProducersResponse,
    describe_topic_partitions::DescribeTopicPartitionsResponse,
    incremental_alter_configs::IncrementalAlterConfigsResponse,
    init_producer_id::InitProducerIdResponse,
    list_config_resources::ListConfigResourcesResponse,
    list_offsets::ListOffsetsResponse,
    metadata::MetadataResponse,
    offset_for_leader_epoch::OffsetForLeaderEpochResponse,
    produce::ProduceResponse,
}

impl Answer for messages::fetch::FetchResponse {
    fn tree(&self) -> Tree {
        let mut batches = Vec::new();
        let mut plain = self.clone();
        for partition in plain.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
            batches.push(match &partition.records {
                None => Tree::Leaf("None".to_owned()),
                Some(records) => Tree::List(shown(records)),
            });
            partition.records = None;
        }
        let mut tree = tree::parse(&format!("{plain:#?}"));
        let mut batches = batches.into_iter();
        put_records(&mut tree, &mut batches);
        tree
    }
}

/// Puts the batches where the records were, in order.
fn put_records(tree: &mut Tree, batches: &mut impl Iterator<Item = Tree>) {
    match tree {
        Tree::Leaf(_) => {}
        Tree::List(items) => items.iter_mut().for_each(|item| put_records(item, batches)),
        Tree::Fields(fields) => {
            for (name, value) in fields {
                if name == "records" {
                    *value = batches.next().expect("one list of batches for every partition");
                } else {
                    put_records(value, batches);
                }
            }
        }
    }
}

fn shown(records: &wire::Records) -> Vec<Tree> {
    let wire::Records::Bytes(bytes) = records else { return Vec::new() };
    Batches::new(bytes)
        .map(|batch| match batch {
            // A fetch may end inside a batch.
            Err(_) => Tree::Leaf("part of a batch".to_owned()),
            Ok(batch) => shown_batch(&batch),
        })
        .collect()
}

fn leaf(text: impl ToString) -> Tree {
    Tree::Leaf(text.to_string())
}

fn shown_batch(batch: &Batch<'_>) -> Tree {
    let header = &batch.header;
    let mut fields = vec![
        ("base_offset".to_owned(), leaf(header.base_offset)),
        ("leader_epoch".to_owned(), leaf(format!("{:?}", header.leader_epoch))),
        ("attributes".to_owned(), leaf(header.attributes)),
        ("last_offset_delta".to_owned(), leaf(header.last_offset_delta)),
        ("base_timestamp".to_owned(), leaf(header.base_timestamp)),
        ("max_timestamp".to_owned(), leaf(header.max_timestamp)),
        ("producer_id".to_owned(), leaf(header.producer_id.map_or(-1, |id| id.0))),
        ("producer_epoch".to_owned(), leaf(header.producer_epoch.map_or(-1, |epoch| epoch.0))),
        ("base_sequence".to_owned(), leaf(header.base_sequence.unwrap_or(-1))),
        ("checks".to_owned(), leaf(batch.verify().is_ok())),
    ];
    let items = match Records::open(batch.bytes, 64 << 20) {
        Err(error) => vec![leaf(format!("{error:?}"))],
        Ok(records) => records.iter().map(|record| record.map_or_else(|error| leaf(format!("{error:?}")), |record| shown_record(&record))).collect(),
    };
    fields.push(("records".to_owned(), Tree::List(items)));
    Tree::Fields(fields)
}

fn shown_record(record: &Record<'_>) -> Tree {
    let bytes = |bytes: Option<&[u8]>| bytes.map_or("None".to_owned(), |bytes| format!("{:?}", String::from_utf8_lossy(bytes)));
    Tree::Fields(vec![
        ("offset".to_owned(), leaf(record.offset)),
        ("timestamp".to_owned(), leaf(record.timestamp)),
        ("key".to_owned(), leaf(bytes(record.key))),
        ("value".to_owned(), leaf(bytes(record.value))),
        ("headers".to_owned(), leaf(format!("{:?}", record.headers))),
    ])
}
