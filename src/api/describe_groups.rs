//! DescribeGroups (key 15), versions 0-6: state and members of classic groups.
//!
//! Version notes: 3 can have authorized operations; before 6 a group that does not exist is described as dead, then it is
//! GROUP_ID_NOT_FOUND.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    Api,
    dispatch::Caller,
    groups::{self, GROUP_OPERATIONS},
};
use crate::{
    coordinator::{Answer, Call},
    protocol::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup},
    types::Text,
};

/// Asks every coordinator concerned once.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let mut found: BTreeMap<Text, DescribedGroup> = BTreeMap::new();
    for (ids, answer) in groups::ask_by_coordinator(api, caller, &body.groups, Call::Describe).await {
        match answer {
            Answer::Described(described) => found.extend(described.into_iter().map(|group| (group.group_id.clone(), group))),
            other => {
                let error_code = groups::refusal(&other).code();
                let refused = |group_id: Text| (group_id.clone(), DescribedGroup { error_code, group_id, ..DescribedGroup::default() });
                found.extend(ids.into_iter().map(refused));
            }
        }
    }
    // A group that is named twice is described twice.
    let mut described: Vec<DescribedGroup> = body.groups.iter().filter_map(|group_id| found.get(group_id).cloned()).collect();
    if body.include_authorized_operations {
        for group in described.iter_mut().filter(|group| group.error_code == 0) {
            group.authorized_operations = GROUP_OPERATIONS;
        }
    }
    DescribeGroupsResponse { groups: described, ..DescribeGroupsResponse::default() }
}
