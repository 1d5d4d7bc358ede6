//! From a frame to the file that answers it.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;

use super::{
    alter_configs, api_versions, consumer_group_describe, consumer_group_heartbeat, create_partitions, create_topics, delete_records, delete_topics, describe_cluster,
    delete_groups, describe_configs, describe_groups, describe_log_dirs, describe_producers, describe_topic_partitions,
    exchange::{ConnectionContext, Disposition, Handler, ResponseSlot},
    fetch,
    fetch_session::FetchSessions,
    find_coordinator, heartbeat,
    incremental_alter_configs,
    init_producer_id::{self, ProducerIds},
    join_group, leave_group, list_config_resources, list_groups, list_offsets, metadata, offset_commit, offset_delete,
    offset_fetch, offset_for_leader_epoch, produce,
    request::Request,
    sync_group,
};
use crate::{
    protocol::{Message, api::ApiKey},
    runtime::task,
    shard::Shard,
    types::Text,
};

/// What the handlers of one shard share.
#[derive(Debug)]
pub struct Api {
    pub(super) shard: Rc<Shard>,
    pub(super) fetch_sessions: RefCell<FetchSessions>,
    pub(super) producer_ids: ProducerIds,
}

impl Api {
    /// The handlers of `shard`.
    pub fn new(shard: Rc<Shard>) -> Rc<Self> {
        let sessions = shard.config().max_incremental_fetch_session_cache_slots.div_ceil(usize::from(shard.count()));
        Rc::new(Self { shard, fetch_sessions: RefCell::new(FetchSessions::new(sessions)), producer_ids: ProducerIds::default() })
    }
}

impl Handler for Api {
    fn handle(self: &Rc<Self>, connection: &Rc<ConnectionContext>, frame: Bytes, slot: ResponseSlot) -> Disposition {
        let request = match Request::parse(frame) {
            Ok(request) => request,
            // There is no answer to what cannot be understood (Processor.java closes as well).
            Err(error) => return Disposition::Close(error.to_string()),
        };
        if request.key() == ApiKey::Produce {
            return produce::start(self, &request, slot);
        }
        let (api, connection) = (Rc::clone(self), Rc::clone(connection));
        task::spawn(request.key().name(), async move { answer(api, connection, request, slot).await });
        Disposition::Serial
    }
}

/// What a handler knows of the request besides its body.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Version of the request.
    pub(super) version: i16,
    /// Client id of the request; empty if it has none.
    pub(super) client_id: Text,
    /// The connection it came on.
    pub(super) connection: Rc<ConnectionContext>,
}

/// Decodes the body, lets `handler` answer it, encodes the answer.
async fn respond<Q: Message, R: Message>(request: &Request, slot: ResponseSlot, handler: impl AsyncFnOnce(Q) -> R) {
    match request.decode::<Q>() {
        Ok(body) => {
            let response = handler(body).await;
            request.response_head().fill(slot, &response);
        }
        Err(error) => slot.close(format!("malformed {} request: {error}", request.key().name())),
    }
}

async fn answer(api: Rc<Api>, connection: Rc<ConnectionContext>, request: Request, slot: ResponseSlot) {
    let caller = Caller { version: request.version(), client_id: request.client_id(), connection };
    match request.key() {
        ApiKey::Fetch => fetch::fetch(api, request, slot).await,
        ApiKey::ApiVersions => api_versions::answer(&api, &request, slot),
        ApiKey::ListOffsets => respond(&request, slot, async |body| list_offsets::handle(&api, &caller, body).await).await,
        ApiKey::Metadata => respond(&request, slot, async |body| metadata::handle(&api, &caller, body).await).await,
        ApiKey::CreateTopics => respond(&request, slot, async |body| create_topics::handle(&api, &caller, body).await).await,
        ApiKey::DeleteTopics => respond(&request, slot, async |body| delete_topics::handle(&api, &caller, body).await).await,
        ApiKey::DeleteRecords => respond(&request, slot, async |body| delete_records::handle(&api, &caller, body).await).await,
        ApiKey::InitProducerId => respond(&request, slot, async |body| init_producer_id::handle(&api, &caller, body).await).await,
        ApiKey::OffsetForLeaderEpoch => respond(&request, slot, async |body| offset_for_leader_epoch::handle(&api, &caller, body).await).await,
        ApiKey::DescribeConfigs => respond(&request, slot, async |body| describe_configs::handle(&api, &caller, body).await).await,
        ApiKey::AlterConfigs => respond(&request, slot, async |body| alter_configs::handle(&api, &caller, body).await).await,
        ApiKey::DescribeLogDirs => respond(&request, slot, async |body| describe_log_dirs::handle(&api, &caller, body).await).await,
        ApiKey::CreatePartitions => respond(&request, slot, async |body| create_partitions::handle(&api, &caller, body).await).await,
        ApiKey::IncrementalAlterConfigs => respond(&request, slot, async |body| incremental_alter_configs::handle(&api, &caller, body).await).await,
        ApiKey::DescribeCluster => respond(&request, slot, async |body| describe_cluster::handle(&api, &caller, &body)).await,
        ApiKey::DescribeProducers => respond(&request, slot, async |body| describe_producers::handle(&api, &caller, body).await).await,
        ApiKey::ListConfigResources => respond(&request, slot, async |body| list_config_resources::handle(&api, &caller, &body)).await,
        ApiKey::DescribeTopicPartitions => respond(&request, slot, async |body| describe_topic_partitions::handle(&api, &caller, &body)).await,
        ApiKey::OffsetCommit => respond(&request, slot, async |body| offset_commit::handle(&api, &caller, body).await).await,
        ApiKey::OffsetFetch => respond(&request, slot, async |body| offset_fetch::handle(&api, &caller, body).await).await,
        ApiKey::FindCoordinator => respond(&request, slot, async |body| find_coordinator::handle(&api, &caller, body).await).await,
        ApiKey::JoinGroup => respond(&request, slot, async |body| join_group::handle(&api, &caller, body).await).await,
        ApiKey::Heartbeat => respond(&request, slot, async |body| heartbeat::handle(&api, &caller, body).await).await,
        ApiKey::LeaveGroup => respond(&request, slot, async |body| leave_group::handle(&api, &caller, body).await).await,
        ApiKey::SyncGroup => respond(&request, slot, async |body| sync_group::handle(&api, &caller, body).await).await,
        ApiKey::DescribeGroups => respond(&request, slot, async |body| describe_groups::handle(&api, &caller, body).await).await,
        ApiKey::ListGroups => respond(&request, slot, async |body| list_groups::handle(&api, &caller, body).await).await,
        ApiKey::DeleteGroups => respond(&request, slot, async |body| delete_groups::handle(&api, &caller, body).await).await,
        ApiKey::OffsetDelete => respond(&request, slot, async |body| offset_delete::handle(&api, &caller, body).await).await,
        ApiKey::ConsumerGroupHeartbeat => respond(&request, slot, async |body| consumer_group_heartbeat::handle(&api, &caller, body).await).await,
        ApiKey::ConsumerGroupDescribe => respond(&request, slot, async |body| consumer_group_describe::handle(&api, &caller, body).await).await,
        key => slot.close(format!("{} is not served", key.name())),
    }
}
