//! Access control entries, SCRAM credentials, delegation tokens and quotas, carried from log to snapshot.
//!
//! Pure data. Secrets never show in debug output.

use std::fmt;

use bytes::Bytes;

use crate::types::Text;

/// An access control entry; the numbers are Kafka's (ResourceType.java, PatternType.java, AclOperation.java).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclImage {
    /// Kind of resource: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    pub resource_type: i8,
    /// Name of the resource, or its prefix, or `*`.
    pub resource_name: Text,
    /// 3 literal, 4 prefixed.
    pub pattern_type: i8,
    /// Whom it is about, e.g. `User:alice`.
    pub principal: Text,
    /// The address it is about, or `*`.
    pub host: Text,
    /// The operation's number.
    pub operation: i8,
    /// 2 deny, 3 allow.
    pub permission_type: i8,
}

/// Whose SCRAM credential, and for which mechanism.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScramKey {
    /// The user.
    pub user: Text,
    /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    pub mechanism: i8,
}

/// A SCRAM credential: enough to check a password, never the password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// Random salt.
    pub salt: Bytes,
    /// Checks the client's proof.
    pub stored_key: Bytes,
    /// Proves the server to the client.
    pub server_key: Bytes,
    /// Rounds of the hash.
    pub iterations: i32,
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredential").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// A delegation token; its HMAC is derived from the secret key and is in no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenImage {
    /// Principal that the token stands for.
    pub owner: Text,
    /// Principal that asked for it.
    pub requester: Text,
    /// Principals that may renew it.
    pub renewers: Vec<Text>,
    /// When it was issued, in milliseconds since 1970.
    pub issue_timestamp_ms: i64,
    /// When it can be renewed no more.
    pub max_timestamp_ms: i64,
    /// When it must have been renewed.
    pub expiration_timestamp_ms: i64,
}

/// Whom a quota is about: type and name, sorted by type. A name that is absent means the default of that type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuotaEntity(pub Vec<(Text, Option<Text>)>);
