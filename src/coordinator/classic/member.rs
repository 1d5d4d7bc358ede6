//! A member of a classic group.

use bytes::Bytes;

use super::{
    super::{effects::Ticket, records::MemberMetadata, seed::Profile},
    join::Joining,
};
use crate::{
    protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
    types::Text,
};

/// A member.
#[derive(Clone, Debug)]
pub struct Member {
    pub(super) profile: Profile,
    /// It has not seen a generation yet, so it cannot send heartbeats.
    pub(super) is_new: bool,
    /// Its JoinGroup that waits.
    pub(super) join: Option<Ticket>,
    /// Its SyncGroup that waits.
    pub(super) sync: Option<Ticket>,
    /// When it has been silent for too long, on the monotonic clock; absent while it waits and nothing is expected of it.
    pub(super) deadline_ms: Option<u64>,
}

impl Member {
    /// A member that a request makes, which waits for its answer and has to be heard of by `deadline_ms`.
    pub(super) fn joining(joining: Joining<'_>, deadline_ms: u64) -> Self {
        let Joining { caller, request, ticket } = joining;
        let profile = Profile {
            instance_id: request.group_instance_id.as_ref().map(Text::detached),
            client_id: caller.client_id.detached(),
            client_host: caller.client_host.detached(),
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: detached(&request.protocols),
            assignment: Bytes::new(),
        };
        Self { profile, is_new: true, join: Some(ticket), sync: None, deadline_ms: Some(deadline_ms) }
    }

    /// A member that has been in the group; its session is still to begin.
    pub(super) fn known(profile: Profile) -> Self {
        Self { profile, is_new: false, join: None, sync: None, deadline_ms: None }
    }

    /// The member that a record tells of. What it said about protocols that were not chosen is not in the log.
    pub(super) fn from_record(record: &MemberMetadata, protocol: Option<&Text>) -> Self {
        let rebalance_timeout_ms = if record.rebalance_timeout == -1 { record.session_timeout } else { record.rebalance_timeout };
        Self::known(Profile {
            instance_id: record.group_instance_id.as_ref().map(Text::detached),
            client_id: record.client_id.detached(),
            client_host: record.client_host.detached(),
            rebalance_timeout_ms,
            session_timeout_ms: record.session_timeout,
            protocols: vec![(protocol.cloned().unwrap_or_default(), Bytes::copy_from_slice(&record.subscription))],
            assignment: Bytes::copy_from_slice(&record.assignment),
        })
    }

    /// The record of it.
    pub(super) fn record(&self, member_id: &Text, protocol: Option<&Text>) -> MemberMetadata {
        MemberMetadata {
            member_id: member_id.clone(),
            group_instance_id: self.profile.instance_id.clone(),
            client_id: self.profile.client_id.clone(),
            client_host: self.profile.client_host.clone(),
            rebalance_timeout: self.profile.rebalance_timeout_ms,
            session_timeout: self.profile.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment: self.profile.assignment.clone(),
        }
    }

    /// True if it speaks exactly these protocols with this metadata.
    pub(super) fn matches(&self, protocols: &[JoinGroupRequestProtocol]) -> bool {
        self.profile.protocols.len() == protocols.len()
            && self.profile.protocols.iter().zip(protocols).all(|((name, metadata), other)| *name == other.name && *metadata == other.metadata)
    }

    /// Takes over what a request says of protocols and timeouts.
    pub(super) fn update(&mut self, request: &JoinGroupRequest) {
        self.profile.protocols = detached(&request.protocols);
        self.profile.rebalance_timeout_ms = request.rebalance_timeout_ms;
        self.profile.session_timeout_ms = request.session_timeout_ms;
    }

    /// Its metadata in a protocol.
    pub(super) fn metadata(&self, protocol: Option<&Text>) -> Bytes {
        let found = self.profile.protocols.iter().find(|(name, _)| Some(name) == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    /// True while it waits in a rebalance: then silence is not held against it.
    pub(super) fn is_waiting(&self) -> bool {
        self.join.is_some() || self.sync.is_some()
    }
}

fn detached(protocols: &[JoinGroupRequestProtocol]) -> Vec<(Text, Bytes)> {
    protocols.iter().map(|protocol| (protocol.name.detached(), Bytes::copy_from_slice(&protocol.metadata))).collect()
}
