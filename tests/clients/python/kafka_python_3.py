"""kafka-python 3.x: negotiates every version, describes and alters configs incrementally."""

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import MessageSizeTooLargeError, KafkaError

import journey


class KafkaPython(journey.Driver):
    name = "kafka-python-3"
    null_header_values = False
    idempotent = True

    def __init__(self, address):
        self.address = address
        self.admin = KafkaAdminClient(bootstrap_servers=address)
        self.consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, group_id=None,
                                      auto_offset_reset="none", fetch_max_wait_ms=100)

    def create_topic(self, topic, partitions, configs):
        self.admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}})

    def list_topics(self):
        return self.admin.list_topics()

    def partitions(self, topic):
        found = self.admin.describe_topics([topic])[0]["partitions"]
        return sorted(p["partition_index"] for p in found if p["leader_id"] >= 0)

    def describe_configs(self, topic):
        answer = self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
        return {key: data["value"] for key, data in answer["topic"][topic].items()}

    def alter_configs(self, topic, configs):
        sets = {key: (AlterConfigOp.SET, value) for key, value in configs.items()}
        answer = self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, sets)])
        journey.check("alter configs", answer["topic"][topic], "OK")

    def create_partitions(self, topic, total):
        self.admin.create_partitions({topic: total})

    def delete_records(self, topic, partition, before):
        tp = TopicPartition(topic, partition)
        return self.admin.delete_records({tp: before})[tp]["low_watermark"]

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])

    def producer(self, acks, codec, idempotent, **more):
        return KafkaProducer(bootstrap_servers=self.address, acks=acks, compression_type=codec, linger_ms=50,
                             enable_idempotence=idempotent, batch_size=1_000_000, **more)

    def produce(self, topic, partition, records, acks, codec, idempotent):
        producer = self.producer(acks, codec, idempotent)
        futures = [producer.send(topic, key=r.key, value=r.value, headers=r.headers, partition=partition,
                                 timestamp_ms=r.timestamp) for r in records]
        producer.flush()
        offsets = [f.get(20).offset for f in futures]
        producer.close()
        return offsets

    def too_large_is_refused(self, topic):
        producer = self.producer("all", None, False, max_request_size=4_000_000, retries=0)
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
                found.append((record.offset, journey.Record(record.key, record.value,
                                                            [tuple(h) for h in record.headers], record.timestamp)))
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
