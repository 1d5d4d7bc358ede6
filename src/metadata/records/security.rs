//! Records about access control, credentials, tokens and quotas.
//!
//! Tables only; names and numbers are Kafka's (`common/metadata/*.json` of Kafka 4.3).

use bytes::Bytes;

use crate::{
    protocol::message,
    types::{Text, Uuid},
};

message! {
    /// Sets an access control entry. Type 18.
    pub struct AccessControlEntryRecord: key 18, versions 0..=0, flexible 0 {
        /// Random id.
        id: Uuid,
        /// ResourceType.java.
        resource_type: i8,
        /// Name, prefix or `*`.
        resource_name: Text,
        /// PatternType.java.
        pattern_type: i8,
        /// Whom it is about.
        principal: Text,
        /// From where.
        host: Text,
        /// AclOperation.java.
        operation: i8,
        /// AclPermissionType.java.
        permission_type: i8,
    }

    /// Removes an access control entry. Type 19.
    pub struct RemoveAccessControlEntryRecord: key 19, versions 0..=0, flexible 0 {
        /// Its id.
        id: Uuid,
    }

    /// Sets a SCRAM credential. Type 11.
    pub struct UserScramCredentialRecord: key 11, versions 0..=0, flexible 0 {
        /// The user.
        name: Text,
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8,
        /// Random salt.
        salt: Bytes,
        /// Checks the client.
        stored_key: Bytes,
        /// Proves the server.
        server_key: Bytes,
        /// Rounds of the hash.
        iterations: i32,
    }

    /// Removes a SCRAM credential. Type 22.
    pub struct RemoveUserScramCredentialRecord: key 22, versions 0..=0, flexible 0 {
        /// The user.
        name: Text,
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8,
    }

    /// Makes or renews a delegation token. Type 10.
    pub struct DelegationTokenRecord: key 10, versions 0..=0, flexible 0 {
        /// Whom it stands for.
        owner: Text,
        /// Who asked for it.
        requester: Text,
        /// Who may renew it.
        renewers: Vec<Text>,
        /// Milliseconds since 1970.
        issue_timestamp: i64,
        /// Milliseconds since 1970.
        max_timestamp: i64,
        /// Milliseconds since 1970.
        expiration_timestamp: i64,
        /// Its id.
        token_id: Text,
    }

    /// Removes a delegation token. Type 26.
    pub struct RemoveDelegationTokenRecord: key 26, versions 0..=0, flexible 0 {
        /// Its id.
        token_id: Text,
    }

    /// Sets or removes one quota of an entity. Type 14.
    pub struct ClientQuotaRecord: key 14, versions 0..=0, flexible 0 {
        /// Whom it is about.
        entity: Vec<EntityData>,
        /// Which quota.
        key: Text,
        /// Its value.
        value: f64,
        /// True if it is removed.
        remove: bool,
    }

    /// One part of whom a quota is about.
    pub struct EntityData {
        /// user, client-id or ip.
        entity_type: Text,
        /// Name; null for the default.
        entity_name: Option<Text>,
    }
}
