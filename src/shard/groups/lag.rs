//! How far the groups of this broker are behind: positions from the coordinators, ends from the partitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use crate::{
    coordinator::{Answer, Call, Caller, GroupLag, GroupPosition, PartitionEnd, Question, lag_of},
    partition::{LookUp, LookedUp},
    runtime::clock,
    shard::Shard,
    types::{PartitionId, Text},
};

impl Shard {
    /// The lag of every group that this broker coordinates. A coordinator that is still loading is left out.
    pub async fn group_lag(self: &Rc<Self>) -> BTreeMap<Text, GroupLag> {
        let mut positions: Vec<(GroupPosition, Option<PartitionId>)> = Vec::new();
        for id in self.coordinators() {
            let question = Question { caller: Caller::default(), call: Call::Positions };
            if let Answer::Positions(found) = self.ask_coordinator(id, question).await {
                let image = self.image();
                positions.extend(found.into_iter().map(|position| {
                    let topic = image.topic_by_name(&position.partition.topic);
                    let id = topic.map(|topic| PartitionId { topic_id: topic.id, partition: position.partition.partition });
                    (position, id)
                }));
            }
        }
        // One question for each position that differs: many groups may stand at the same record.
        let asked: BTreeSet<(PartitionId, i64)> = positions.iter().filter_map(|(position, id)| Some(((*id)?, position.position))).collect();
        let questions = asked.iter().map(|(id, position)| (*id, LookUp::Behind { position: *position })).collect();
        let answers = self.look_up(questions).await;
        let ends: BTreeMap<(PartitionId, i64), PartitionEnd> = asked
            .into_iter()
            .zip(answers)
            .filter_map(|(key, answer)| match answer {
                Ok(LookedUp::Behind { log_start, high_watermark, next_record_ms }) => {
                    let end = PartitionEnd {
                        id: key.0,
                        log_start: log_start.get(),
                        high_watermark: high_watermark.get(),
                        next_record_ms,
                    };
                    Some((key, end))
                }
                _ => None,
            })
            .collect();
        let positions: Vec<_> = positions
            .into_iter()
            .map(|(position, id)| {
                let end = id.and_then(|id| ends.get(&(id, position.position))).copied();
                (position, end)
            })
            .collect();
        lag_of(&positions, clock::now_ms())
    }
}
