"""kafka-python 2.0.2 (2020): guesses the broker's release and then uses a fixed table of old versions.

It sends ApiVersions and Metadata at once on a new connection and never looks at the broker's minimum versions.
"""

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import MessageSizeTooLargeError

import journey


class KafkaPython(journey.Driver):
    name = "kafka-python-2"
    null_header_values = False
    can_delete_records = False

    def __init__(self, address):
        self.address = address
        self.admin = KafkaAdminClient(bootstrap_servers=address)
        self.consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, group_id=None,
                                      auto_offset_reset="none", fetch_max_wait_ms=100)

    def create_topic(self, topic, partitions, configs):
        self.admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])

    def list_topics(self):
        return self.admin.list_topics()

    def partitions(self, topic):
        found = self.admin.describe_topics([topic])[0]["partitions"]
        return sorted(p["partition"] for p in found if p["leader"] >= 0)

    def describe_configs(self, topic):
        answer = self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])[0]
        error, message, _, name, entries = answer.resources[0]
        journey.check("describe configs", (error, message or "", name), (0, "", topic))
        return {entry[0]: entry[1] for entry in entries}

    def alter_configs(self, topic, configs):
        # AlterConfigs replaces all: what is not named falls back to its default.
        configs = dict(configs, **{"segment.bytes": "1048576"})
        answer = self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
        journey.check("alter configs", answer.resources[0][0], 0)

    def create_partitions(self, topic, total):
        self.admin.create_partitions({topic: NewPartitions(total)})

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])

    def producer(self, acks, codec, **more):
        return KafkaProducer(bootstrap_servers=self.address, acks=acks, compression_type=codec, linger_ms=50,
                             batch_size=1_000_000, **more)

    def produce(self, topic, partition, records, acks, codec, idempotent):
        producer = self.producer(acks, codec)
        futures = [producer.send(topic, key=r.key, value=r.value, headers=r.headers, partition=partition,
                                 timestamp_ms=r.timestamp) for r in records]
        producer.flush()
        offsets = [f.get(20).offset for f in futures]
        producer.close()
        return offsets

    def too_large_is_refused(self, topic):
        producer = self.producer("all", None, max_request_size=4_000_000)
        try:
            producer.send(topic, value=b"x" * 2_000_000, partition=0).get(20)
            return False
        except MessageSizeTooLargeError:
            return True
        finally:
            producer.close()

    def fetch(self, topic, partition, offset, count):
        tp = TopicPartition(topic, partition)
        self.consumer.assign([tp])
        self.consumer.seek(tp, offset)
        found = []
        while len(found) < count:
            for record in self.consumer.poll(timeout_ms=1000).get(tp, []):
                found.append((record.offset, journey.Record(record.key, record.value, list(record.headers), record.timestamp)))
        return found[:count]

    def offset_for_time(self, topic, partition, timestamp):
        tp = TopicPartition(topic, partition)
        found = self.consumer.offsets_for_times({tp: timestamp})[tp]
        return found.offset if found else None

    def beginning(self, topic, partition):
        tp = TopicPartition(topic, partition)
        return self.consumer.beginning_offsets([tp])[tp]

    def end(self, topic, partition):
        tp = TopicPartition(topic, partition)
        return self.consumer.end_offsets([tp])[tp]


if __name__ == "__main__":
    journey.run(KafkaPython)
