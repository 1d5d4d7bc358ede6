"""aiokafka: the asyncio client, with its own codec of old, mostly inflexible versions."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

import journey


class AioKafka(journey.Driver):
    name = "aiokafka"
    idempotent = True

    def __init__(self, address):
        self.address = address
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.wait(self.start())

    def wait(self, coroutine):
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 60))

    async def start(self):
        self.admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await self.admin.start()
        self.consumer = AIOKafkaConsumer(bootstrap_servers=self.address, enable_auto_commit=False, group_id=None,
                                         auto_offset_reset="none", fetch_max_wait_ms=100)
        await self.consumer.start()

    def create_topic(self, topic, partitions, configs):
        answer = self.wait(self.admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)]))
        journey.check("create topic", [tuple(e[:2]) for e in answer.topic_errors], [(topic, 0)])

    def list_topics(self):
        return self.wait(self.admin.list_topics())

    def partitions(self, topic):
        found = self.wait(self.admin.describe_topics([topic]))[0]["partitions"]
        return sorted(p["partition"] for p in found if p["leader"] >= 0)

    def describe_configs(self, topic):
        answer = self.wait(self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))[0]
        resource = answer.resources[0]
        journey.check("describe configs", (resource[0], resource[3]), (0, topic))
        return {entry[0]: entry[1] for entry in resource[4]}

    def alter_configs(self, topic, configs):
        configs = dict(configs, **{"segment.bytes": "1048576"})
        answer = self.wait(self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)]))
        journey.check("alter configs", answer[0].resources[0][0], 0)

    def create_partitions(self, topic, total):
        answer = self.wait(self.admin.create_partitions({topic: NewPartitions(total)}))
        journey.check("create partitions", [tuple(e[:2]) for e in answer.topic_errors], [(topic, 0)])

    def delete_records(self, topic, partition, before):
        tp = TopicPartition(topic, partition)
        return self.wait(self.admin.delete_records({tp: RecordsToDelete(before)}))[tp]

    def delete_topic(self, topic):
        self.wait(self.admin.delete_topics([topic]))

    async def send(self, topic, partition, records, acks, codec, idempotent, **more):
        producer = AIOKafkaProducer(bootstrap_servers=self.address, acks=acks, compression_type=codec, linger_ms=50,
                                    enable_idempotence=idempotent, max_batch_size=1_000_000, **more)
        await producer.start()
        try:
            futures = [await producer.send(topic, key=r.key, value=r.value, headers=r.headers, partition=partition,
                                           timestamp_ms=r.timestamp) for r in records]
            await producer.flush()
            return [(await f).offset for f in futures] if acks != 0 else None
        finally:
            await producer.stop()

    def produce(self, topic, partition, records, acks, codec, idempotent):
        return self.wait(self.send(topic, partition, records, acks, codec, idempotent))

    def too_large_is_refused(self, topic):
        record = journey.Record(None, b"x" * 2_000_000, [], None)
        try:
            self.wait(self.send(topic, 0, [record], "all", None, False, max_request_size=4_000_000))
            return False
        except MessageSizeTooLargeError:
            return True

    async def read(self, tp, offset, count):
        self.consumer.assign([tp])
        self.consumer.seek(tp, offset)
        found = []
        while len(found) < count:
            for record in (await self.consumer.getmany(tp, timeout_ms=1000)).get(tp, []):
                found.append((record.offset, journey.Record(record.key, record.value, list(record.headers), record.timestamp)))
        return found[:count]

    def fetch(self, topic, partition, offset, count):
        return self.wait(self.read(TopicPartition(topic, partition), offset, count))

    def offset_for_time(self, topic, partition, timestamp):
        tp = TopicPartition(topic, partition)
        found = self.wait(self.consumer.offsets_for_times({tp: timestamp}))[tp]
        return found.offset if found else None

    def beginning(self, topic, partition):
        tp = TopicPartition(topic, partition)
        return self.wait(self.consumer.beginning_offsets([tp]))[tp]

    def end(self, topic, partition):
        tp = TopicPartition(topic, partition)
        return self.wait(self.consumer.end_offsets([tp]))[tp]


if __name__ == "__main__":
    journey.run(AioKafka)
