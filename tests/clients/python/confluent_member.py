"""confluent-kafka (librdkafka) as a member of a group, by the classic protocol and by KIP-848."""

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

import group_member


class Confluent(group_member.Member):
    def __init__(self, address, group, topic, protocol):
        self.topic = topic
        configs = {"bootstrap.servers": address, "group.id": group, "group.protocol": protocol, "auto.offset.reset": "earliest",
                   "enable.auto.commit": False, "fetch.wait.max.ms": 100, "reconnect.backoff.max.ms": 500}
        if protocol == "classic":
            # The broker chooses these for the other protocol, and the library refuses them.
            configs.update({"session.timeout.ms": 6000, "heartbeat.interval.ms": 500})
        self.consumer = Consumer(configs)
        self.consumer.subscribe([topic])

    def poll(self):
        found = []
        message = self.consumer.poll(0.1)
        while message is not None:
            if not message.error():
                found.append((message.partition(), message.offset(), message.value()))
            elif message.error().fatal() or not message.error().retriable() and message.error().code() not in (
                    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
                raise KafkaException(message.error())
            message = self.consumer.poll(0)
        return found

    def assigned(self):
        return [tp.partition for tp in self.consumer.assignment()]

    def commit(self, metadata):
        positions = self.consumer.position(self.consumer.assignment())
        # A partition of which nothing was read yet has no position.
        offsets = [TopicPartition(self.topic, tp.partition, tp.offset, metadata) for tp in positions if tp.offset >= 0]
        self.consumer.commit(offsets=offsets, asynchronous=False)

    def committed(self):
        found = self.consumer.committed(self.consumer.assignment(), timeout=20)
        return [(tp.partition, tp.offset, tp.metadata) for tp in found]

    def seek(self, partition, offset):
        self.consumer.seek(TopicPartition(self.topic, partition, offset))

    def leave(self):
        self.consumer.close()


if __name__ == "__main__":
    group_member.serve(Confluent)
