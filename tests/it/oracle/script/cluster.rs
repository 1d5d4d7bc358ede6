//! DescribeCluster, DescribeLogDirs, DescribeProducers and ListConfigResources.

use corelog::protocol::messages::{
    describe_cluster::{DescribeClusterRequest, DescribeClusterResponse},
    describe_log_dirs::{DescribableLogDirTopic, DescribeLogDirsRequest, DescribeLogDirsResponse},
    describe_producers::{DescribeProducersRequest, DescribeProducersResponse, TopicRequest},
    list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse},
};

use super::{Side, batch, text, versions};

pub(super) fn ask(side: &mut Side) {
    for version in versions::<DescribeClusterRequest>() {
        for operations in [false, true] {
            let request = DescribeClusterRequest { include_cluster_authorized_operations: operations, ..DescribeClusterRequest::default() };
            side.ask::<_, DescribeClusterResponse>(&format!("cluster, operations {operations}"), &request, version);
        }
        if version >= 1 {
            for endpoint_type in [0, 2, 3, -1] {
                let request = DescribeClusterRequest { endpoint_type, ..DescribeClusterRequest::default() };
                side.ask::<_, DescribeClusterResponse>(&format!("cluster, endpoints {endpoint_type}"), &request, version);
            }
        }
        if version >= 2 {
            let request = DescribeClusterRequest { include_fenced_brokers: true, ..DescribeClusterRequest::default() };
            side.ask::<_, DescribeClusterResponse>("cluster with fenced brokers", &request, version);
        }
    }
    log_dirs(side);
    for version in versions::<ListConfigResourcesRequest>() {
        for types in [&[][..], &[2], &[4], &[8], &[16], &[32], &[2, 4], &[2, 2], &[1], &[99]] {
            if version == 0 && !types.is_empty() {
                continue;
            }
            let request = ListConfigResourcesRequest { resource_types: types.to_vec() };
            side.ask::<_, ListConfigResourcesResponse>(&format!("config resources {types:?}"), &request, version);
        }
    }
}

fn log_dirs(side: &mut Side) {
    side.make_topic("on-disk", 2, &[]);
    side.write("on-disk", 1, batch(side.now_ms - 3_600_000, 10));
    side.write("on-disk", 1, batch(side.now_ms - 3_500_000, 3));
    for version in versions::<DescribeLogDirsRequest>() {
        let of = |topic: &str, partitions: &[i32]| DescribableLogDirTopic { topic: text(topic), partitions: partitions.to_vec() };
        for (what, topics) in [
            ("of all", None),
            ("of none", Some(vec![])),
            ("of both partitions", Some(vec![of("on-disk", &[0, 1])])),
            ("of no partition", Some(vec![of("on-disk", &[])])),
            ("of strangers", Some(vec![of("on-disk", &[7, -1]), of("nowhere", &[0])])),
        ] {
            side.ask::<_, DescribeLogDirsResponse>(&format!("log dirs {what}"), &DescribeLogDirsRequest { topics }, version);
        }
    }
    let of = |topic: &str, partitions: &[i32]| TopicRequest { name: text(topic), partition_indexes: partitions.to_vec() };
    let request = DescribeProducersRequest { topics: vec![of("on-disk", &[0, 1, 2, -1]), of("nowhere", &[0]), of("", &[0])] };
    side.ask::<_, DescribeProducersResponse>("producers where there are none", &request, 0);
    side.ask::<_, DescribeProducersResponse>("producers of nothing", &DescribeProducersRequest::default(), 0);
}
