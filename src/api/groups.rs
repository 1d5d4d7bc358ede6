//! What the handlers of the group APIs share: who asks, and which coordinator to ask.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    rc::Rc,
};

use super::{Api, dispatch::Caller};
use crate::{
    coordinator::{self, Answer, Call, Question},
    types::{ErrorCode, PartitionId, Text, Uuid},
};

/// What a client may do with a group, as bits by operation code: there is no authorizer yet, so it is all that Kafka knows
/// for a group (AclEntry.supportedOperations): read, delete, describe, describe and alter configs.
pub(super) const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// Asks the coordinator of `group_id`.
pub(super) async fn ask(api: &Rc<Api>, caller: &Caller, group_id: &Text, call: Call) -> Answer {
    api.shard.ask_group(group_id, question(caller, call)).await
}

/// Asks the coordinators of several groups, each once with all of its groups; gives what each answered, with its groups.
pub(super) async fn ask_by_coordinator(
    api: &Rc<Api>,
    caller: &Caller,
    group_ids: &[Text],
    call: impl Fn(Vec<Text>) -> Call,
) -> Vec<(Vec<Text>, Answer)> {
    let mut shares: BTreeMap<Option<PartitionId>, Vec<Text>> = BTreeMap::new();
    for group_id in group_ids {
        shares.entry(api.shard.coordinator_of(group_id)).or_default().push(group_id.clone());
    }
    let mut answers = Vec::with_capacity(shares.len());
    for (id, groups) in shares {
        let answer = match id {
            Some(id) => api.shard.ask_coordinator(id, question(caller, call(groups.clone()))).await,
            None => Answer::Refused(ErrorCode::NotCoordinator),
        };
        answers.push((groups, answer));
    }
    answers
}

/// The question that a request becomes.
pub(super) fn question(caller: &Caller, call: Call) -> Question {
    let caller = coordinator::Caller {
        client_id: caller.client_id.clone(),
        client_host: Text::from(host(caller.connection.peer.ip())),
        version: caller.version,
        // Without random numbers there can be no member ids; joins are then refused.
        random: Uuid::random().unwrap_or(Uuid::ZERO),
    };
    Question { caller, call }
}

/// An address as Java prints one without a name.
fn host(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("/{address}"),
        IpAddr::V6(address) => {
            let parts: Vec<String> = address.segments().iter().map(|segment| format!("{segment:x}")).collect();
            format!("/{}", parts.join(":"))
        }
    }
}

/// The error of an answer that is none to the request: the coordinator's refusal, or a defect of ours.
pub(super) fn refusal(answer: &Answer) -> ErrorCode {
    match answer {
        Answer::Refused(error) => *error,
        other => {
            tracing::error!(?other, "a coordinator answered something that was not asked");
            ErrorCode::UnknownServerError
        }
    }
}

/// What most group APIs say to an empty group id.
///
/// # Errors
/// INVALID_GROUP_ID.
pub(super) fn check_group_id(group_id: &Text) -> Result<(), ErrorCode> {
    if group_id.is_empty() { Err(ErrorCode::InvalidGroupId) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_printed_as_java_prints_them() {
        assert_eq!(host("127.0.0.1".parse().unwrap()), "/127.0.0.1");
        assert_eq!(host("::ffff:10.0.0.1".parse().unwrap()), "/10.0.0.1");
        assert_eq!(host("::1".parse().unwrap()), "/0:0:0:0:0:0:0:1");
    }
}
