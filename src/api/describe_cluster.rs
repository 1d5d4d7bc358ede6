//! DescribeCluster (key 60), versions 0-2: the brokers of the cluster.
//!
//! Behaviour: answered from the image of this shard. Controllers are described at their own listener only, and this broker
//! has none: that is refused with MISMATCHED_ENDPOINT_TYPE.
//! Version notes: 1 asks for brokers or controllers (KIP-919), 2 may include fenced brokers (KIP-1073).

use std::rc::Rc;

use super::{
    Api,
    dispatch::Caller,
    view::{self, CLUSTER_OPERATIONS, View},
};
use crate::{
    protocol::messages::describe_cluster::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse},
    types::{ErrorCode, Text},
};

/// Number of the endpoint type of brokers.
const BROKERS: i8 = 1;
/// Number of the endpoint type of controllers.
const CONTROLLERS: i8 = 2;

/// Answers at once.
pub(super) fn handle(api: &Rc<Api>, caller: &Caller, body: &DescribeClusterRequest) -> DescribeClusterResponse {
    if let Err((error, message)) = check(body.endpoint_type, caller.version) {
        return DescribeClusterResponse {
            error_code: error.code(),
            error_message: Some(Text::from(message)),
            ..DescribeClusterResponse::default()
        };
    }
    let image = api.shard.image();
    let view = View { image: &image, listener: view::listener_name(api, caller) };
    let brokers = view.brokers(body.include_fenced_brokers).map(|(broker, listener)| DescribeClusterBroker {
        broker_id: broker.id.get(),
        host: listener.host.clone(),
        port: i32::from(listener.port),
        rack: broker.rack.clone(),
        is_fenced: broker.fenced,
    });
    DescribeClusterResponse {
        throttle_time_ms: 0,
        error_code: ErrorCode::None.code(),
        error_message: None,
        endpoint_type: BROKERS,
        cluster_id: api.shard.cluster_id().clone(),
        controller_id: view.controller_id(api.shard.node_id()),
        brokers: brokers.collect(),
        cluster_authorized_operations: if body.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { i32::MIN },
    }
}

fn check(endpoint_type: i8, version: i16) -> Result<(), (ErrorCode, String)> {
    let since_1 = |error| if version == 0 { ErrorCode::InvalidRequest } else { error };
    match endpoint_type {
        BROKERS => Ok(()),
        CONTROLLERS => Err((
            since_1(ErrorCode::MismatchedEndpointType),
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER".to_owned(),
        )),
        other => Err((since_1(ErrorCode::UnsupportedEndpointType), format!("Unsupported endpoint type {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brokers_are_described() {
        let code = |endpoint_type| check(endpoint_type, 1).err().map(|(error, _)| error.code());
        assert_eq!(code(1), None);
        assert_eq!(code(2), Some(114));
        assert_eq!(code(3), Some(115));
        assert_eq!(code(0), Some(115));
    }
}
