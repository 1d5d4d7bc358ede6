"""The way every Python client goes through the broker, and what it must find there.

A client program fills in a `Driver`; `run` takes it from creating a topic to deleting it. One line is printed per check;
the first difference ends the program with exit code 1. Nothing here uses consumer groups: partitions are assigned.
"""

import os
import signal
import sys
import time
import traceback
from collections import namedtuple

SECONDS_MAX = int(os.environ.get("CLIENT_SECONDS_MAX", "150"))
RECORDS = 20

# key and value: bytes or None; headers: list of (str, bytes or None); timestamp: ms since 1970
Record = namedtuple("Record", "key value headers timestamp")


class Driver:
    """What a client library offers. `None` or an empty list stands for what it cannot do."""

    name = "?"
    codecs = [None, "gzip", "snappy", "lz4", "zstd"]
    idempotent = False
    can_delete_records = True
    can_describe_configs = True
    null_header_values = True

    def create_topic(self, topic, partitions, configs): raise NotImplementedError
    def list_topics(self): raise NotImplementedError
    def partitions(self, topic): raise NotImplementedError
    def describe_configs(self, topic): raise NotImplementedError
    def alter_configs(self, topic, configs): raise NotImplementedError
    def create_partitions(self, topic, total): raise NotImplementedError
    def delete_records(self, topic, partition, before): raise NotImplementedError
    def delete_topic(self, topic): raise NotImplementedError
    def produce(self, topic, partition, records, acks, codec, idempotent): raise NotImplementedError
    def fetch(self, topic, partition, offset, count): raise NotImplementedError
    def offset_for_time(self, topic, partition, timestamp): raise NotImplementedError
    def beginning(self, topic, partition): raise NotImplementedError
    def end(self, topic, partition): raise NotImplementedError
    def too_large_is_refused(self, topic): return True
    def close(self): pass


class Difference(Exception):
    pass


def check(what, got, expected):
    if got != expected:
        raise Difference("%s\n  expected %r\n  got      %r" % (what, expected, got))
    print("ok", what, flush=True)


def eventually(what, probe, expected, seconds=15):
    """For what the broker does not promise at once: acks=0, and what other brokers learn later."""
    deadline = time.time() + seconds
    while True:
        got = probe()
        if got == expected or time.time() > deadline:
            check(what, got, expected)
            return
        time.sleep(0.05)


def make_records(driver, seed, base_timestamp):
    records = []
    for i in range(RECORDS):
        key = None if i % 5 == 3 else b"key-%d-%d" % (seed, i)
        value = None if i % 7 == 5 else b"" if i == 9 else (b"value %d %d " % (seed, i)) * (1 + 10 * i)
        headers = []
        if i % 3 == 0:
            headers = [("h", b"%d" % i), ("h", b"again"), ("empty", b"")]
            if driver.null_header_values:
                headers.append(("null", None))
        records.append(Record(key, value, headers, base_timestamp + 1000 * i))
    return records


def same(what, got, expected):
    """Compares lists of (offset, Record) and names the first difference alone."""
    if len(got) != len(expected):
        raise Difference("%s: %d records instead of %d" % (what, len(got), len(expected)))
    for left, right in zip(got, expected):
        if left != right:
            raise Difference("%s\n  expected %r\n  got      %r" % (what, right, left))
    print("ok", what, "(%d records)" % len(got), flush=True)


def go(driver):
    topic = "%s-%d-%d" % (driver.name, os.getpid(), int(time.time()))
    # Old enough to be in order with anything the broker checks, and young enough not to be removed by retention.
    start = (int(time.time()) - 3600) * 1000

    driver.create_topic(topic, 3, {"retention.ms": "86400000", "segment.bytes": "1048576"})
    print("ok create topic", topic, flush=True)
    eventually("topic is listed", lambda: topic in driver.list_topics(), True)
    eventually("partitions", lambda: driver.partitions(topic), [0, 1, 2])

    if driver.can_describe_configs:
        configs = driver.describe_configs(topic)
        check("config given at creation", (configs.get("retention.ms"), configs.get("segment.bytes")), ("86400000", "1048576"))
        check("config by default", (configs.get("cleanup.policy"), configs.get("max.message.bytes")), ("delete", "1048588"))
        driver.alter_configs(topic, {"retention.ms": "172800000"})
        eventually("altered config", lambda: driver.describe_configs(topic).get("retention.ms"), "172800000")

    written = {0: [], 1: [], 2: []}
    step = 0
    for partition, acks in enumerate([0, 1, "all"]):
        for codec in driver.codecs:
            step += 1
            records = make_records(driver, step, start + step * 60_000)
            first = len(written[partition])
            offsets = driver.produce(topic, partition, records, acks, codec, False)
            if acks != 0:
                check("offsets acks=%s %s" % (acks, codec), offsets, list(range(first, first + RECORDS)))
            written[partition].extend((first + i, r) for i, r in enumerate(records))
            eventually("end offset acks=%s %s" % (acks, codec), lambda: driver.end(topic, partition), len(written[partition]))

    if driver.idempotent:
        step += 1
        records = make_records(driver, step, start + step * 60_000)
        first = len(written[2])
        offsets = driver.produce(topic, 2, records, "all", None, True)
        check("offsets of the idempotent producer", offsets, list(range(first, first + RECORDS)))
        written[2].extend((first + i, r) for i, r in enumerate(records))

    for partition in written:
        expected = written[partition]
        check("beginning of %d" % partition, driver.beginning(topic, partition), 0)
        same("read %d from the beginning" % partition, driver.fetch(topic, partition, 0, len(expected)), expected)
        middle = len(expected) // 2 + 3
        same("read %d from offset %d" % (partition, middle),
             driver.fetch(topic, partition, middle, len(expected) - middle), expected[middle:])
        # Between two records: the answer is the first that is not older.
        at = expected[middle][1].timestamp - 500
        check("offset for a time in %d" % partition, driver.offset_for_time(topic, partition, at), middle)
        same("read %d from a time" % partition,
             driver.fetch(topic, partition, driver.offset_for_time(topic, partition, at), 5), expected[middle:middle + 5])
        check("offset for a time after the last record", driver.offset_for_time(topic, partition, (int(time.time()) + 1800) * 1000), None)

    large = [Record(b"large", os.urandom(900_000), [], start)]
    offsets = driver.produce(topic, 1, large, "all", None, False)
    check("offset of a 900 kB record", offsets, [len(written[1])])
    same("read a 900 kB record", driver.fetch(topic, 1, offsets[0], 1), [(offsets[0], large[0])])
    check("a record above max.message.bytes is refused", driver.too_large_is_refused(topic), True)

    driver.create_partitions(topic, 5)
    eventually("partitions after adding two", lambda: driver.partitions(topic), [0, 1, 2, 3, 4])
    records = make_records(driver, 99, start)
    check("offsets in a new partition", driver.produce(topic, 4, records, "all", None, False), list(range(RECORDS)))
    same("read a new partition", driver.fetch(topic, 4, 0, RECORDS), list(enumerate(records)))

    if driver.can_delete_records:
        check("low watermark after deleting records", driver.delete_records(topic, 0, 10), 10)
        check("beginning after deleting records", driver.beginning(topic, 0), 10)
        same("read what is left", driver.fetch(topic, 0, 10, len(written[0]) - 10), written[0][10:])

    def is_left():
        # A client that asks for the metadata of a topic it still knows makes that topic anew, at Kafka too.
        if topic not in driver.list_topics():
            return False
        driver.delete_topic(topic)
        return True

    driver.delete_topic(topic)
    eventually("topic is gone", is_left, False)


def run(make_driver):
    """Runs the journey against the bootstrap address in argv[1]."""
    if len(sys.argv) != 2:
        sys.exit("usage: %s HOST:PORT" % sys.argv[0])

    def late(*_):
        raise Difference("not done after %d s" % SECONDS_MAX)

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS_MAX)
    try:
        driver = make_driver(sys.argv[1])
        go(driver)
        driver.close()
    except Difference as difference:
        print("FAIL", difference, flush=True)
        traceback.print_exc(limit=-4)
        os._exit(1)
    except BaseException:  # also what a client library throws that is no Exception
        print("FAIL", traceback.format_exc(), flush=True)
        os._exit(1)
    print("done", driver.name, flush=True)
    os._exit(0)  # not to wait for threads of the library
