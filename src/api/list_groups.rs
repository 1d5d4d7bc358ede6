//! ListGroups (key 16), versions 0-5: the groups that this broker coordinates.
//!
//! Behaviour: from all coordinators of all shards. While one of them loads, the whole is refused: a list that lacks groups
//! would read as if they were gone.
//! Version notes: 4 filters by state, 5 by type; an unknown word matches nothing.

use std::rc::Rc;

use super::{Api, dispatch::Caller, groups};
use crate::{
    coordinator::{Answer, Call},
    protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse},
    types::ErrorCode,
};

/// Asks every coordinator.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: ListGroupsRequest) -> ListGroupsResponse {
    let mut listed = Vec::new();
    for id in api.shard.coordinators() {
        let call = Call::List { states: body.states_filter.clone(), types: body.types_filter.clone() };
        match api.shard.ask_coordinator(id, groups::question(caller, call)).await {
            Answer::Listed(mut groups) => listed.append(&mut groups),
            // Another broker's, or one whose log is offline.
            Answer::Refused(ErrorCode::NotCoordinator) => {}
            other => return ListGroupsResponse { error_code: groups::refusal(&other).code(), ..ListGroupsResponse::default() },
        }
    }
    ListGroupsResponse { groups: listed, ..ListGroupsResponse::default() }
}
