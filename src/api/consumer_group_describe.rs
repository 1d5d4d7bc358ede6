//! ConsumerGroupDescribe (key 69), versions 0-1: consumer groups with their members.
//!
//! Behaviour: a group that does not exist, or is a classic one, is GROUP_ID_NOT_FOUND: clients then ask with DescribeGroups.
//! Version notes: 1 tells which protocol a member speaks.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    Api,
    dispatch::Caller,
    groups::{self, GROUP_OPERATIONS},
};
use crate::{
    coordinator::{Answer, Call},
    protocol::messages::consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedConsumerGroup},
    types::{ErrorCode, Text},
};

/// Asks every coordinator concerned once.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
    let refused = |group_id: Text, error: ErrorCode| DescribedConsumerGroup { error_code: error.code(), group_id, ..Default::default() };
    let mut found: BTreeMap<Text, DescribedConsumerGroup> = BTreeMap::new();
    for (ids, answer) in groups::ask_by_coordinator(api, caller, &body.group_ids, Call::ConsumerDescribe).await {
        match answer {
            Answer::ConsumerDescribed(described) => found.extend(described.into_iter().map(|group| (group.group_id.clone(), group))),
            other => {
                let error = groups::refusal(&other);
                found.extend(ids.into_iter().map(|group_id| (group_id.clone(), refused(group_id, error))));
            }
        }
    }
    let describe = |group_id: &Text| match found.get(group_id) {
        _ if group_id.is_empty() => Some(refused(Text::default(), ErrorCode::InvalidGroupId)),
        found => found.cloned(),
    };
    let mut described: Vec<DescribedConsumerGroup> = body.group_ids.iter().filter_map(describe).collect();
    if body.include_authorized_operations {
        for group in described.iter_mut().filter(|group| group.error_code == ErrorCode::None.code()) {
            group.authorized_operations = GROUP_OPERATIONS;
        }
    }
    ConsumerGroupDescribeResponse { groups: described, ..ConsumerGroupDescribeResponse::default() }
}
