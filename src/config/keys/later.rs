//! Broker keys of what is not there yet: streams groups, transactions, TLS and SASL, tiered storage.
//!
//! A key that tunes a missing feature is taken: it will mean what it says when the feature comes, and hurts nobody
//! until then. A key that switches a feature on, or that somebody's safety hangs on, is refused.

use crate::config::{Key, Kind, Valid};

const NO_LOGIN: &str = "clients are not authenticated yet";
const NO_TWO_PHASE: &str = "two-phase commit is not supported";

const fn streams(name: &'static str, kind: Kind, default: &'static str, valid: Valid) -> Key {
    Key::new(name, kind, default, "Tunes groups of the streams protocol (KIP-1071).")
        .valid(valid)
        .no_effect("streams groups are not supported yet")
}

const fn transaction(name: &'static str, kind: Kind, default: &'static str, valid: Valid) -> Key {
    Key::new(name, kind, default, "Tunes the transaction coordinator and its topic of states.")
        .valid(valid)
        .no_effect("transactions are not supported yet")
}

const fn share(name: &'static str, kind: Kind, default: &'static str, valid: Valid) -> Key {
    Key::new(name, kind, default, "Tunes share groups and their topic of states.")
        .valid(valid)
        .no_effect("share groups are not supported yet")
}

const fn security(name: &'static str, kind: Kind, default: &'static str, valid: Valid) -> Key {
    Key::new(name, kind, default, "Tunes TLS, SASL, authorization or delegation tokens.")
        .valid(valid)
        .refused("TLS, SASL, authorization and delegation tokens are not supported yet; leave the default")
}

const fn tiered(name: &'static str, kind: Kind, default: &'static str, valid: Valid) -> Key {
    Key::new(name, kind, default, "Tunes tiered storage.")
        .valid(valid)
        .no_effect("tiered storage is not supported; remote.log.storage.system.enable=true is refused")
}

/// Groups, transactions and share groups.
pub(super) const KEYS: &[Key] = &[
    streams("group.streams.assignment.interval.ms", Kind::Int, "1000", Valid::Min(0)),
    streams("group.streams.heartbeat.interval.ms", Kind::Int, "5000", Valid::Min(1)),
    streams("group.streams.initial.rebalance.delay.ms", Kind::Int, "3000", Valid::Min(0)),
    streams("group.streams.max.assignment.interval.ms", Kind::Int, "15000", Valid::Min(0)),
    streams("group.streams.max.heartbeat.interval.ms", Kind::Int, "15000", Valid::Min(1)),
    streams("group.streams.max.session.timeout.ms", Kind::Int, "60000", Valid::Min(1)),
    streams("group.streams.max.size", Kind::Int, "2147483647", Valid::Min(1)),
    streams("group.streams.max.standby.replicas", Kind::Int, "2", Valid::Min(0)),
    streams("group.streams.min.assignment.interval.ms", Kind::Int, "0", Valid::Min(0)),
    streams("group.streams.min.heartbeat.interval.ms", Kind::Int, "5000", Valid::Min(1)),
    streams("group.streams.min.session.timeout.ms", Kind::Int, "45000", Valid::Min(1)),
    streams("group.streams.num.standby.replicas", Kind::Int, "0", Valid::Min(0)),
    streams("group.streams.session.timeout.ms", Kind::Int, "45000", Valid::Min(1)),
    transaction("add.partitions.to.txn.retry.backoff.max.ms", Kind::Int, "100", Valid::Min(0)),
    transaction("add.partitions.to.txn.retry.backoff.ms", Kind::Int, "20", Valid::Min(1)),
    transaction("transaction.abort.timed.out.transaction.cleanup.interval.ms", Kind::Int, "10000", Valid::Min(1)),
    transaction("transaction.max.timeout.ms", Kind::Int, "900000", Valid::Min(1)),
    transaction("transaction.partition.verification.enable", Kind::Bool, "true", Valid::Any),
    transaction("transaction.remove.expired.transaction.cleanup.interval.ms", Kind::Int, "3600000", Valid::Min(1)),
    transaction("transaction.state.log.load.buffer.size", Kind::Int, "5242880", Valid::Min(1)),
    transaction("transaction.state.log.min.isr", Kind::Int, "2", Valid::Min(1)),
    transaction("transaction.state.log.num.partitions", Kind::Int, "50", Valid::Min(1)),
    transaction("transaction.state.log.replication.factor", Kind::Short, "3", Valid::Min(1)),
    transaction("transaction.state.log.segment.bytes", Kind::Int, "104857600", Valid::Min(1)),
    transaction("transaction.two.phase.commit.enable", Kind::Bool, "false", Valid::Any).refused(NO_TWO_PHASE),
    transaction("transactional.id.expiration.ms", Kind::Int, "604800000", Valid::Min(1)),
    share("group.share.assignment.interval.ms", Kind::Int, "1000", Valid::Min(0)),
    share("group.share.assignors", Kind::List, "simple", Valid::Any),
    share("group.share.delivery.count.limit", Kind::Int, "5", Valid::Range(2, 10)),
    share("group.share.heartbeat.interval.ms", Kind::Int, "5000", Valid::Min(1)),
    share("group.share.initialize.retry.interval.ms", Kind::Int, "30000", Valid::Min(1)),
    share("group.share.max.assignment.interval.ms", Kind::Int, "15000", Valid::Min(0)),
    share("group.share.max.delivery.count.limit", Kind::Int, "10", Valid::Range(5, 25)),
    share("group.share.max.heartbeat.interval.ms", Kind::Int, "15000", Valid::Min(1)),
    share("group.share.max.partition.max.record.locks", Kind::Int, "4000", Valid::Range(2000, 10000)),
    share("group.share.max.record.lock.duration.ms", Kind::Int, "60000", Valid::Range(30000, 3600000)),
    share("group.share.max.session.timeout.ms", Kind::Int, "60000", Valid::Min(1)),
    share("group.share.max.share.sessions", Kind::Int, "2000", Valid::Min(1)),
    share("group.share.max.size", Kind::Int, "200", Valid::Range(1, 1000)),
    share("group.share.min.assignment.interval.ms", Kind::Int, "0", Valid::Min(0)),
    share("group.share.min.delivery.count.limit", Kind::Int, "2", Valid::Range(2, 5)),
    share("group.share.min.heartbeat.interval.ms", Kind::Int, "5000", Valid::Min(1)),
    share("group.share.min.partition.max.record.locks", Kind::Int, "100", Valid::Range(100, 2000)),
    share("group.share.min.record.lock.duration.ms", Kind::Int, "15000", Valid::Range(1000, 30000)),
    share("group.share.min.session.timeout.ms", Kind::Int, "45000", Valid::Min(1)),
    share("group.share.partition.max.record.locks", Kind::Int, "2000", Valid::Range(100, 10000)),
    share(
        "group.share.persister.class.name",
        Kind::Text,
        "org.apache.kafka.server.share.persister.DefaultStatePersister",
        Valid::Any,
    ),
    share("group.share.record.lock.duration.ms", Kind::Int, "30000", Valid::Range(1000, 3600000)),
    share("group.share.session.timeout.ms", Kind::Int, "45000", Valid::Min(1)),
    share("share.coordinator.append.linger.ms", Kind::Int, "-1", Valid::Min(-1)),
    share("share.coordinator.cached.buffer.max.bytes", Kind::Int, "1048588", Valid::Min(524288)),
    share("share.coordinator.cold.partition.snapshot.interval.ms", Kind::Int, "300000", Valid::Min(1)),
    share("share.coordinator.load.buffer.size", Kind::Int, "5242880", Valid::Min(1)),
    share("share.coordinator.snapshot.update.records.per.snapshot", Kind::Int, "500", Valid::Range(0, 500)),
    share("share.coordinator.state.topic.compression.codec", Kind::Int, "0", Valid::Any),
    share("share.coordinator.state.topic.min.isr", Kind::Short, "2", Valid::Min(1)),
    share("share.coordinator.state.topic.num.partitions", Kind::Int, "50", Valid::Min(1)),
    share("share.coordinator.state.topic.prune.interval.ms", Kind::Int, "300000", Valid::Min(1)),
    share("share.coordinator.state.topic.replication.factor", Kind::Short, "3", Valid::Min(1)),
    share("share.coordinator.state.topic.segment.bytes", Kind::Int, "104857600", Valid::Min(1)),
    share("share.coordinator.threads", Kind::Int, "1", Valid::Min(1)),
    share("share.coordinator.write.timeout.ms", Kind::Int, "5000", Valid::Min(1)),
];

/// TLS, SASL, authorization, delegation tokens.
pub(super) const SECURITY: &[Key] = &[
    security("authorizer.class.name", Kind::Text, "", Valid::Any),
    security("connection.failed.authentication.delay.ms", Kind::Int, "100", Valid::Min(0)).no_effect(NO_LOGIN),
    security("connections.max.reauth.ms", Kind::Long, "0", Valid::Any).no_effect(NO_LOGIN),
    security("delegation.token.expiry.check.interval.ms", Kind::Long, "3600000", Valid::Min(1)),
    security("delegation.token.expiry.time.ms", Kind::Long, "86400000", Valid::Min(1)),
    security("delegation.token.max.lifetime.ms", Kind::Long, "604800000", Valid::Min(1)),
    security("delegation.token.secret.key", Kind::Password, "", Valid::Any).null(),
    security(
        "principal.builder.class",
        Kind::Class,
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
        Valid::Any,
    ),
    security("sasl.client.callback.handler.class", Kind::Class, "", Valid::Any).null(),
    security("sasl.enabled.mechanisms", Kind::List, "GSSAPI", Valid::Any),
    security("sasl.jaas.config", Kind::Password, "", Valid::Any).null(),
    security("sasl.kerberos.kinit.cmd", Kind::Text, "/usr/bin/kinit", Valid::Any),
    security("sasl.kerberos.min.time.before.relogin", Kind::Long, "60000", Valid::Any),
    security("sasl.kerberos.principal.to.local.rules", Kind::List, "DEFAULT", Valid::Any),
    security("sasl.kerberos.service.name", Kind::Text, "", Valid::Any).null(),
    security("sasl.kerberos.ticket.renew.jitter", Kind::Double, "0.05", Valid::Any),
    security("sasl.kerberos.ticket.renew.window.factor", Kind::Double, "0.8", Valid::Any),
    security("sasl.login.callback.handler.class", Kind::Class, "", Valid::Any).null(),
    security("sasl.login.class", Kind::Class, "", Valid::Any).null(),
    security("sasl.login.connect.timeout.ms", Kind::Int, "", Valid::Any).null(),
    security("sasl.login.read.timeout.ms", Kind::Int, "", Valid::Any).null(),
    security("sasl.login.refresh.buffer.seconds", Kind::Short, "300", Valid::Any),
    security("sasl.login.refresh.min.period.seconds", Kind::Short, "60", Valid::Any),
    security("sasl.login.refresh.window.factor", Kind::Double, "0.8", Valid::Any),
    security("sasl.login.refresh.window.jitter", Kind::Double, "0.05", Valid::Any),
    security("sasl.login.retry.backoff.max.ms", Kind::Long, "10000", Valid::Any),
    security("sasl.login.retry.backoff.ms", Kind::Long, "100", Valid::Any),
    security("sasl.mechanism.controller.protocol", Kind::Text, "GSSAPI", Valid::Any),
    security("sasl.mechanism.inter.broker.protocol", Kind::Text, "GSSAPI", Valid::Any),
    security("sasl.oauthbearer.assertion.algorithm", Kind::Text, "RS256", Valid::Any),
    security("sasl.oauthbearer.assertion.claim.aud", Kind::Text, "", Valid::Any).null(),
    security("sasl.oauthbearer.assertion.claim.exp.seconds", Kind::Int, "300", Valid::Range(0, 86400)),
    security("sasl.oauthbearer.assertion.claim.iss", Kind::Text, "", Valid::Any).null(),
    security("sasl.oauthbearer.assertion.claim.jti.include", Kind::Bool, "false", Valid::Any),
    security("sasl.oauthbearer.assertion.claim.nbf.seconds", Kind::Int, "60", Valid::Range(0, 3600)),
    security("sasl.oauthbearer.assertion.claim.sub", Kind::Text, "", Valid::Any).null(),
    security("sasl.oauthbearer.assertion.file", Kind::Text, "", Valid::Any).null(),
    security("sasl.oauthbearer.assertion.private.key.file", Kind::Text, "", Valid::Any).null(),
    security("sasl.oauthbearer.assertion.private.key.passphrase", Kind::Password, "", Valid::Any).null(),
    security("sasl.oauthbearer.assertion.template.file", Kind::Text, "", Valid::Any).null(),
    security("sasl.oauthbearer.client.credentials.client.id", Kind::Text, "", Valid::Any).null(),
    security("sasl.oauthbearer.client.credentials.client.secret", Kind::Password, "", Valid::Any).null(),
    security("sasl.oauthbearer.clock.skew.seconds", Kind::Int, "30", Valid::Any),
    security("sasl.oauthbearer.expected.audience", Kind::List, "", Valid::Any),
    security("sasl.oauthbearer.expected.issuer", Kind::Text, "", Valid::Any).null(),
    security("sasl.oauthbearer.jwks.endpoint.refresh.ms", Kind::Long, "3600000", Valid::Any),
    security("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Kind::Long, "10000", Valid::Any),
    security("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Kind::Long, "100", Valid::Any),
    security("sasl.oauthbearer.jwks.endpoint.url", Kind::Text, "", Valid::Any).null(),
    security(
        "sasl.oauthbearer.jwt.retriever.class",
        Kind::Class,
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
        Valid::Any,
    ),
    security(
        "sasl.oauthbearer.jwt.validator.class",
        Kind::Class,
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
        Valid::Any,
    ),
    security("sasl.oauthbearer.scope", Kind::Text, "", Valid::Any).null(),
    security("sasl.oauthbearer.scope.claim.name", Kind::Text, "scope", Valid::Any),
    security("sasl.oauthbearer.sub.claim.name", Kind::Text, "sub", Valid::Any),
    security("sasl.oauthbearer.token.endpoint.url", Kind::Text, "", Valid::Any).null(),
    security("sasl.server.callback.handler.class", Kind::Class, "", Valid::Any).null(),
    security("sasl.server.max.receive.size", Kind::Int, "524288", Valid::Any).no_effect(NO_LOGIN),
    security("security.providers", Kind::Text, "", Valid::Any).null(),
    security("ssl.allow.dn.changes", Kind::Bool, "false", Valid::Any),
    security("ssl.allow.san.changes", Kind::Bool, "false", Valid::Any),
    security("ssl.cipher.suites", Kind::List, "", Valid::Any),
    security("ssl.client.auth", Kind::Text, "none", Valid::OneOf(&["required", "requested", "none"])),
    security("ssl.enabled.protocols", Kind::List, "TLSv1.2,TLSv1.3", Valid::Any),
    security("ssl.endpoint.identification.algorithm", Kind::Text, "https", Valid::Any),
    security("ssl.engine.factory.class", Kind::Class, "", Valid::Any).null(),
    security("ssl.key.password", Kind::Password, "", Valid::Any).null(),
    security("ssl.keymanager.algorithm", Kind::Text, "SunX509", Valid::Any),
    security("ssl.keystore.certificate.chain", Kind::Password, "", Valid::Any).null(),
    security("ssl.keystore.key", Kind::Password, "", Valid::Any).null(),
    security("ssl.keystore.location", Kind::Text, "", Valid::Any).null(),
    security("ssl.keystore.password", Kind::Password, "", Valid::Any).null(),
    security("ssl.keystore.type", Kind::Text, "JKS", Valid::Any),
    security("ssl.principal.mapping.rules", Kind::Text, "DEFAULT", Valid::Any),
    security("ssl.protocol", Kind::Text, "TLSv1.3", Valid::Any),
    security("ssl.provider", Kind::Text, "", Valid::Any).null(),
    security("ssl.secure.random.implementation", Kind::Text, "", Valid::Any).null(),
    security("ssl.trustmanager.algorithm", Kind::Text, "PKIX", Valid::Any),
    security("ssl.truststore.certificates", Kind::Password, "", Valid::Any).null(),
    security("ssl.truststore.location", Kind::Text, "", Valid::Any).null(),
    security("ssl.truststore.password", Kind::Password, "", Valid::Any).null(),
    security("ssl.truststore.type", Kind::Text, "JKS", Valid::Any),
];

/// Tiered storage.
pub(super) const TIERED: &[Key] = &[
    tiered("follower.fetch.last.tiered.offset.enable", Kind::Bool, "false", Valid::Any),
    tiered("remote.fetch.max.wait.ms", Kind::Int, "500", Valid::Min(1)),
    tiered("remote.list.offsets.request.timeout.ms", Kind::Long, "30000", Valid::Min(1)),
    tiered("remote.log.index.file.cache.total.size.bytes", Kind::Long, "1073741824", Valid::Min(1)),
    tiered("remote.log.index.file.cache.ttl.ms", Kind::Long, "900000", Valid::Min(-1)),
    tiered("remote.log.manager.copier.thread.pool.size", Kind::Int, "10", Valid::Min(1)),
    tiered("remote.log.manager.copy.max.bytes.per.second", Kind::Long, "9223372036854775807", Valid::Min(1)),
    tiered("remote.log.manager.copy.quota.window.num", Kind::Int, "11", Valid::Min(1)),
    tiered("remote.log.manager.copy.quota.window.size.seconds", Kind::Int, "1", Valid::Min(1)),
    tiered("remote.log.manager.expiration.thread.pool.size", Kind::Int, "10", Valid::Min(1)),
    tiered("remote.log.manager.fetch.max.bytes.per.second", Kind::Long, "9223372036854775807", Valid::Min(1)),
    tiered("remote.log.manager.fetch.quota.window.num", Kind::Int, "11", Valid::Min(1)),
    tiered("remote.log.manager.fetch.quota.window.size.seconds", Kind::Int, "1", Valid::Min(1)),
    tiered("remote.log.manager.follower.thread.pool.size", Kind::Int, "2", Valid::Min(1)),
    tiered("remote.log.manager.task.interval.ms", Kind::Long, "30000", Valid::Min(1)),
    tiered("remote.log.manager.task.retry.backoff.max.ms", Kind::Long, "30000", Valid::Min(1)),
    tiered("remote.log.manager.task.retry.backoff.ms", Kind::Long, "500", Valid::Min(1)),
    tiered("remote.log.manager.task.retry.jitter", Kind::Double, "0.2", Valid::Any),
    tiered("remote.log.manager.thread.pool.size", Kind::Int, "2", Valid::Min(1)),
    tiered("remote.log.metadata.custom.metadata.max.bytes", Kind::Int, "128", Valid::Min(0)),
    tiered(
        "remote.log.metadata.manager.class.name",
        Kind::Text,
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
        Valid::Any,
    ),
    tiered("remote.log.metadata.manager.class.path", Kind::Text, "", Valid::Any).null(),
    tiered("remote.log.metadata.manager.impl.prefix", Kind::Text, "rlmm.config.", Valid::Any),
    tiered("remote.log.metadata.manager.listener.name", Kind::Text, "", Valid::Any).null(),
    tiered("remote.log.reader.max.pending.tasks", Kind::Int, "100", Valid::Min(1)),
    tiered("remote.log.reader.threads", Kind::Int, "10", Valid::Min(1)),
    tiered("remote.log.storage.manager.class.name", Kind::Text, "", Valid::Any).null(),
    tiered("remote.log.storage.manager.class.path", Kind::Text, "", Valid::Any).null(),
    tiered("remote.log.storage.manager.impl.prefix", Kind::Text, "rsm.config.", Valid::Any),
    tiered("remote.log.storage.system.enable", Kind::Bool, "false", Valid::Any)
        .refused("tiered storage is not supported"),
];
