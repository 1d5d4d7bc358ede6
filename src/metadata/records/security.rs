//! Records about access control, credentials, tokens and quotas.
//!
//! Tables only; names and numbers are Kafka's (`common/metadata/*.json` of Kafka 4.3).

use bytes::Bytes;

use super::table::table;
use crate::types::{Text, Uuid};

table! {
    /// Sets an access control entry. Type 18.
    AccessControlEntryRecord {
        /// Random id.
        id: Uuid = Uuid::ZERO, since 0;
        /// ResourceType.java.
        resource_type: i8 = 0, since 0;
        /// Name, prefix or `*`.
        resource_name: Text = Text::default(), since 0;
        /// PatternType.java.
        pattern_type: i8 = 0, since 0;
        /// Whom it is about.
        principal: Text = Text::default(), since 0;
        /// From where.
        host: Text = Text::default(), since 0;
        /// AclOperation.java.
        operation: i8 = 0, since 0;
        /// AclPermissionType.java.
        permission_type: i8 = 0, since 0;
    }

    /// Removes an access control entry. Type 19.
    RemoveAccessControlEntryRecord {
        /// Its id.
        id: Uuid = Uuid::ZERO, since 0;
    }

    /// Sets a SCRAM credential. Type 11.
    UserScramCredentialRecord {
        /// The user.
        name: Text = Text::default(), since 0;
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 = 0, since 0;
        /// Random salt.
        salt: Bytes = Bytes::new(), since 0;
        /// Checks the client.
        stored_key: Bytes = Bytes::new(), since 0;
        /// Proves the server.
        server_key: Bytes = Bytes::new(), since 0;
        /// Rounds of the hash.
        iterations: i32 = 0, since 0;
    }

    /// Removes a SCRAM credential. Type 22.
    RemoveUserScramCredentialRecord {
        /// The user.
        name: Text = Text::default(), since 0;
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8 = 0, since 0;
    }

    /// Makes or renews a delegation token. Type 10.
    DelegationTokenRecord {
        /// Whom it stands for.
        owner: Text = Text::default(), since 0;
        /// Who asked for it.
        requester: Text = Text::default(), since 0;
        /// Who may renew it.
        renewers: Vec<Text> = Vec::new(), since 0;
        /// Milliseconds since 1970.
        issue_timestamp: i64 = 0, since 0;
        /// Milliseconds since 1970.
        max_timestamp: i64 = 0, since 0;
        /// Milliseconds since 1970.
        expiration_timestamp: i64 = 0, since 0;
        /// Its id.
        token_id: Text = Text::default(), since 0;
    }

    /// Removes a delegation token. Type 26.
    RemoveDelegationTokenRecord {
        /// Its id.
        token_id: Text = Text::default(), since 0;
    }

    /// Sets or removes one quota of an entity. Type 14.
    ClientQuotaRecord {
        /// Whom it is about.
        entity: Vec<EntityData> = Vec::new(), since 0;
        /// Which quota.
        key: Text = Text::default(), since 0;
        /// Its value.
        value: f64 = 0.0, since 0;
        /// True if it is removed.
        remove: bool = false, since 0;
    }

    /// One part of whom a quota is about.
    EntityData {
        /// user, client-id or ip.
        entity_type: Text = Text::default(), since 0;
        /// Name; null for the default.
        entity_name: Option<Text> = None, since 0;
    }
}
