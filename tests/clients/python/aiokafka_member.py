"""aiokafka as a member of a group."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

import group_member


class AioKafka(group_member.Member):
    def __init__(self, address, group, topic, protocol):
        self.topic = topic
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.wait(self.start(address, group))

    def wait(self, coroutine):
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, 60))

    async def start(self, address, group):
        self.consumer = AIOKafkaConsumer(self.topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest",
                                         enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=500,
                                         max_poll_interval_ms=30000, fetch_max_wait_ms=100, retry_backoff_ms=50)
        await self.consumer.start()

    def poll(self):
        found = self.wait(self.consumer.getmany(timeout_ms=100))
        return [(record.partition, record.offset, record.value) for records in found.values() for record in records]

    def assigned(self):
        return [tp.partition for tp in self.consumer.assignment()]

    async def commit_positions(self, metadata):
        positions = {tp: OffsetAndMetadata(await self.consumer.position(tp), metadata) for tp in self.consumer.assignment()}
        await self.consumer.commit(positions)

    def commit(self, metadata):
        self.wait(self.commit_positions(metadata))

    async def find_committed(self):
        # `committed` gives only the offset; the metadata is to be had from what it is built on.
        found = await self.consumer._coordinator.fetch_committed_offsets(list(self.consumer.assignment()))
        return [(tp.partition, offset.offset, offset.metadata) for tp, offset in found.items()]

    def committed(self):
        return self.wait(self.find_committed())

    def seek(self, partition, offset):
        self.consumer.seek(TopicPartition(self.topic, partition), offset)

    def leave(self):
        self.wait(self.consumer.stop())


if __name__ == "__main__":
    group_member.serve(AioKafka)
