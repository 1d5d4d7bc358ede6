"""kafka-python 2 and 3 as a member of a group."""

from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

import group_member

# Version 3 adds the leader epoch.
MORE = [-1] * (len(OffsetAndMetadata._fields) - 2)


class KafkaPython(group_member.Member):
    def __init__(self, address, group, topic, protocol):
        self.topic = topic
        self.consumer = KafkaConsumer(topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest",
                                      enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=500,
                                      max_poll_interval_ms=30000, fetch_max_wait_ms=100, metadata_max_age_ms=5000,
                                      retry_backoff_ms=50)

    def owned(self):
        return [TopicPartition(self.topic, partition) for partition in self.assigned()]

    def poll(self):
        return [(record.partition, record.offset, record.value)
                for records in self.consumer.poll(timeout_ms=100).values() for record in records]

    def assigned(self):
        return [tp.partition for tp in self.consumer.assignment()]

    def commit(self, metadata):
        self.consumer.commit({tp: OffsetAndMetadata(self.consumer.position(tp), metadata, *MORE) for tp in self.owned()})

    def committed(self):
        found = [(tp.partition, self.consumer.committed(tp, metadata=True)) for tp in self.owned()]
        return [(partition, offset.offset, offset.metadata) for partition, offset in found]

    def seek(self, partition, offset):
        self.consumer.seek(TopicPartition(self.topic, partition), offset)

    def leave(self):
        self.consumer.close(autocommit=False)


if __name__ == "__main__":
    group_member.serve(KafkaPython)
