"""confluent-kafka: librdkafka, the C client under most other languages."""

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition, KafkaError
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   ResourceType)

import journey


class Confluent(journey.Driver):
    name = "confluent"
    idempotent = True

    def __init__(self, address):
        self.address = address
        self.admin = AdminClient({"bootstrap.servers": address})
        # A group id is required by the library; nothing here joins a group or commits.
        self.consumer = Consumer({"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False,
                                  "enable.partition.eof": False, "auto.offset.reset": "error", "fetch.wait.max.ms": 100,
                                  "fetch.message.max.bytes": 2_000_000, "check.crcs": True})

    def create_topic(self, topic, partitions, configs):
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=configs)])[topic].result(20)

    def list_topics(self):
        return list(self.admin.list_topics(timeout=10).topics)

    def partitions(self, topic):
        found = self.admin.list_topics(topic, timeout=10).topics[topic].partitions
        return sorted(p.id for p in found.values() if p.leader >= 0)

    def describe_configs(self, topic):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        return {name: entry.value for name, entry in self.admin.describe_configs([resource])[resource].result(20).items()}

    def alter_configs(self, topic, configs):
        entries = [ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET) for k, v in configs.items()]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(20)

    def create_partitions(self, topic, total):
        self.admin.create_partitions([NewPartitions(topic, total)])[topic].result(20)

    def delete_records(self, topic, partition, before):
        tp = TopicPartition(topic, partition, before)
        return self.admin.delete_records([tp])[tp].result(20).low_watermark

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])[topic].result(20)

    def send(self, topic, partition, records, configs):
        offsets, errors = [], []

        def delivered(error, message):
            if error is None:
                offsets.append(message.offset())
            else:
                errors.append(error)

        producer = Producer(dict({"bootstrap.servers": self.address, "linger.ms": 50, "batch.size": 1_000_000}, **configs))
        for r in records:
            producer.produce(topic, key=r.key, value=r.value, headers=r.headers, partition=partition,
                             timestamp=r.timestamp or 0, on_delivery=delivered)
        if producer.flush(30):
            raise journey.Difference("messages were not delivered in 30 s")
        return offsets, errors

    def produce(self, topic, partition, records, acks, codec, idempotent):
        offsets, errors = self.send(topic, partition, records, {
            "acks": acks, "compression.type": codec or "none", "enable.idempotence": idempotent})
        journey.check("deliveries", errors, [])
        return offsets

    def too_large_is_refused(self, topic):
        record = journey.Record(None, b"x" * 2_000_000, [], None)
        _, errors = self.send(topic, 0, [record], {"message.max.bytes": 4_000_000})
        return [e.code() for e in errors] == [KafkaError.MSG_SIZE_TOO_LARGE]

    def fetch(self, topic, partition, offset, count):
        self.consumer.assign([TopicPartition(topic, partition, offset)])
        found = []
        while len(found) < count:
            message = self.consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            found.append((message.offset(), journey.Record(message.key(), message.value(), message.headers() or [],
                                                           message.timestamp()[1])))
        return found

    def offset_for_time(self, topic, partition, timestamp):
        found = self.consumer.offsets_for_times([TopicPartition(topic, partition, timestamp)], timeout=10)[0]
        if found.error:
            raise KafkaException(found.error)
        return found.offset if found.offset >= 0 else None

    def watermarks(self, topic, partition):
        return self.consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)

    def beginning(self, topic, partition):
        return self.watermarks(topic, partition)[0]

    def end(self, topic, partition):
        return self.watermarks(topic, partition)[1]


if __name__ == "__main__":
    journey.run(Confluent)
