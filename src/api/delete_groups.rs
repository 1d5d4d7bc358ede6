//! DeleteGroups (key 42), versions 0-3: removes empty groups with their offsets.
//!
//! Behaviour: each group by itself; the answer comes when it cannot come back. A group named twice is answered once.

use std::{collections::BTreeSet, rc::Rc};

use super::{Api, dispatch::Caller, groups};
use crate::{
    coordinator::{Answer, Call},
    protocol::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse},
    types::Text,
};

/// Asks every coordinator concerned once.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let ids: BTreeSet<Text> = body.groups_names.into_iter().collect();
    let ids: Vec<Text> = ids.into_iter().collect();
    let mut results = Vec::with_capacity(ids.len());
    for (ids, answer) in groups::ask_by_coordinator(api, caller, &ids, Call::Delete).await {
        match answer {
            Answer::Deleted(mut deleted) => results.append(&mut deleted),
            other => {
                let error_code = groups::refusal(&other).code();
                results.extend(ids.into_iter().map(|group_id| DeletableGroupResult { group_id, error_code }));
            }
        }
    }
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}
