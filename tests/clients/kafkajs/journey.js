// kafkajs against a broker: a client of inflexible versions that never looks at the broker's minimum.
//
// One line per check; the first difference ends the program with exit code 1. kafkajs reads only through consumer
// groups, which this journey does not use, so reading goes through the library's own Cluster and Broker classes.
'use strict'

const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs')
const Cluster = require('kafkajs/src/cluster')
const createSocketFactory = require('kafkajs/src/network/socketFactory')
const { createLogger } = require('kafkajs/src/loggers')
const consoleLogger = require('kafkajs/src/loggers/console')
const assert = require('assert')
const crypto = require('crypto')
const snappy = require('snappyjs')
const lz4 = require('lz4js')
const xxh32 = require('lz4js/xxh32.js')
const zstd = require('@bokuweb/zstd-wasm')

const SECONDS_MAX = 150
const RECORDS = 20
const address = process.argv[2]

function fail(what, error) {
  console.log('FAIL', what, error && error.stack ? error.stack : error || '')
  process.exit(1)
}

function equal(what, got, expected) {
  try {
    assert.deepStrictEqual(got, expected)
  } catch (difference) {
    fail(what, difference.message)
  }
  console.log('ok', what)
}

async function eventually(what, expected, probe) {
  const deadline = Date.now() + 15000
  for (;;) {
    const got = await probe()
    let done = true
    try { assert.deepStrictEqual(got, expected) } catch (_) { done = false }
    if (done || Date.now() > deadline) return equal(what, got, expected)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

// What Java's snappy streams wrap around blocks; librdkafka and Java's consumers read both forms, Kafka's broker only this.
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00, 0, 0, 0, 1, 0, 0, 0, 1])

function setCodecs() {
  CompressionCodecs[CompressionTypes.Snappy] = () => ({
    async compress(encoder) {
      const block = Buffer.from(snappy.compress(encoder.buffer))
      const size = Buffer.alloc(4)
      size.writeInt32BE(block.length)
      return Buffer.concat([XERIAL, size, block])
    },
    async decompress(buffer) {
      if (!buffer.subarray(0, 8).equals(XERIAL.subarray(0, 8))) return Buffer.from(snappy.uncompress(buffer))
      const parts = []
      for (let at = 16; at < buffer.length;) {
        const size = buffer.readInt32BE(at)
        parts.push(Buffer.from(snappy.uncompress(buffer.subarray(at + 4, at + 4 + size))))
        at += 4 + size
      }
      return Buffer.concat(parts)
    },
  })
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    async compress(encoder) {
      const frame = Buffer.from(lz4.compress(encoder.buffer))
      // lz4js does not say that its blocks are independent of each other, and Kafka refuses any other stream. Its only
      // block here is; so set the flag and the checksum of the frame's header anew.
      frame[4] |= 0x20
      frame[6] = (xxh32.hash(0, frame, 4, 2) >> 8) & 0xff
      return frame
    },
    async decompress(buffer) { return Buffer.from(lz4.decompress(buffer)) },
  })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    async compress(encoder) { return Buffer.from(zstd.compress(encoder.buffer, 3)) },
    async decompress(buffer) { return Buffer.from(zstd.decompress(buffer)) },
  })
}

function makeMessages(seed, base) {
  return Array.from({ length: RECORDS }, (_, i) => ({
    key: i % 5 === 3 ? null : Buffer.from(`key-${seed}-${i}`),
    value: i % 7 === 5 ? null : i === 9 ? Buffer.alloc(0) : Buffer.from(`value ${seed} ${i} `.repeat(1 + 10 * i)),
    headers: i % 3 === 0 ? { h: [Buffer.from(String(i)), Buffer.from('again')], empty: Buffer.alloc(0) } : {},
    timestamp: String(base + 1000 * i),
  }))
}

const plain = ({ key, value, headers, timestamp }) => ({ key, value, headers: { ...headers }, timestamp })

// Reads `count` messages of a partition from an offset by plain fetch requests.
async function fetchMessages(cluster, topic, partition, offset, count) {
  await cluster.addTargetTopic(topic)
  await cluster.refreshMetadata()
  const found = []
  while (found.length < count) {
    const leader = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0]
    const broker = await cluster.findBroker({ nodeId: leader })
    const { responses } = await broker.fetch({
      replicaId: -1, isolationLevel: 1, maxWaitTime: 200, minBytes: 1, maxBytes: 10_000_000, rackId: '',
      topics: [{ topic, partitions: [{ partition, currentLeaderEpoch: -1, fetchOffset: String(offset + found.length), maxBytes: 2_000_000 }] }],
    })
    const { messages } = responses[0].partitions[0]
    // A batch that holds the offset comes whole, with older messages in front.
    for (const m of messages) if (Number(m.offset) === offset + found.length) found.push(m)
  }
  return found.slice(0, count)
}

async function journey() {
  await zstd.init()
  setCodecs()
  const kafka = new Kafka({ clientId: 'kafkajs-test', brokers: [address], logLevel: logLevel.NOTHING })
  const cluster = new Cluster({
    logger: createLogger({ level: logLevel.NOTHING, logCreator: consoleLogger }), socketFactory: createSocketFactory(),
    brokers: [address], clientId: 'kafkajs-test', connectionTimeout: 5000, authenticationTimeout: 5000, reauthenticationThreshold: 10000,
    requestTimeout: 30000, enforceRequestTimeout: true, metadataMaxAge: 300000, allowAutoTopicCreation: false,
    retry: {}, maxInFlightRequests: null, isolationLevel: 1, instrumentationEmitter: null, offsets: new Map(), reauthenticate: false,
  })
  const admin = kafka.admin()
  await admin.connect()
  await cluster.connect()
  const topic = `kafkajs-${process.pid}-${Date.now()}`
  const start = Math.floor(Date.now() / 1000) * 1000 - 3600_000

  const { brokers, controller } = await admin.describeCluster()
  equal('one broker that is the controller', [brokers.length, brokers[0].nodeId], [1, controller])
  await administrate(admin, topic)
  const written = await produceAll(kafka, admin, topic, start)
  await readAll(admin, cluster, topic, written)
  await limits(kafka, cluster, topic)
  await grow(kafka, admin, cluster, topic, start)
  await shrink(admin, cluster, topic, written[0])
  await cluster.disconnect()
  await admin.disconnect()
}

async function partitionsOf(admin, topic) {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  return topics[0].partitions.filter(p => p.leader >= 0).map(p => p.partitionId).sort()
}

async function config(admin, topic, name) {
  const { resources } = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }], includeSynonyms: false })
  return resources[0].configEntries.find(entry => entry.configName === name).configValue
}

async function administrate(admin, topic) {
  const configEntries = [{ name: 'retention.ms', value: '86400000' }, { name: 'segment.bytes', value: '1048576' }]
  equal('create topic', await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1, configEntries }] }), true)
  equal('a topic that exists', await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1 }] }), false)
  await eventually('topic is listed', true, async () => (await admin.listTopics()).includes(topic))
  await eventually('partitions', [0, 1, 2], () => partitionsOf(admin, topic))
  equal('config given at creation', await config(admin, topic, 'retention.ms'), '86400000')
  equal('config by default', await config(admin, topic, 'cleanup.policy'), 'delete')
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic,
    configEntries: [{ name: 'retention.ms', value: '172800000' }, { name: 'segment.bytes', value: '1048576' }] }] })
  await eventually('altered config', '172800000', () => config(admin, topic, 'retention.ms'))
}

async function endOffset(admin, topic, partition) {
  return Number((await admin.fetchTopicOffsets(topic)).find(o => o.partition === partition).high)
}

async function produceAll(kafka, admin, topic, start) {
  const written = [[], [], []]
  let step = 0
  const add = async (what, partition, acks, compression, idempotent) => {
    step += 1
    const messages = makeMessages(step, start + step * 60_000)
    const first = written[partition].length
    const producer = kafka.producer({ idempotent, createPartitioner: () => () => partition, allowAutoTopicCreation: false })
    await producer.connect()
    const answer = await producer.send({ topic, acks, compression, messages })
    if (acks !== 0) equal(`base offset ${what}`, answer.map(a => [a.partition, a.errorCode, Number(a.baseOffset)]), [[partition, 0, first]])
    await eventually(`end offset ${what}`, first + RECORDS, () => endOffset(admin, topic, partition))
    await producer.disconnect()
    written[partition].push(...messages.map(plain))
  }
  const { None, GZIP, Snappy, LZ4, ZSTD } = CompressionTypes
  for (const [partition, acks] of [[0, 0], [1, 1], [2, -1]]) {
    for (const [name, codec] of Object.entries({ None, GZIP, Snappy, LZ4, ZSTD })) {
      await add(`acks=${acks} ${name}`, partition, acks, codec, false)
    }
  }
  await add('idempotent', 2, -1, None, true)
  return written
}

function same(what, got, expected, first) {
  if (got.length !== expected.length) fail(what, `${got.length} messages instead of ${expected.length}`)
  got.forEach((message, i) => {
    try {
      assert.strictEqual(Number(message.offset), first + i)
      assert.deepStrictEqual(plain(message), expected[i])
    } catch (difference) {
      fail(what, difference.message)
    }
  })
  console.log('ok', what, `(${got.length} messages)`)
}

async function readAll(admin, cluster, topic, written) {
  for (const partition of [0, 1, 2]) {
    const expected = written[partition]
    same(`read ${partition} from the beginning`, await fetchMessages(cluster, topic, partition, 0, expected.length), expected, 0)
    const middle = Math.floor(expected.length / 2) + 3
    same(`read ${partition} from offset ${middle}`,
      await fetchMessages(cluster, topic, partition, middle, expected.length - middle), expected.slice(middle), middle)
    const at = Number(expected[middle].timestamp) - 500
    const found = (await admin.fetchTopicOffsetsByTimestamp(topic, at)).find(o => o.partition === partition)
    equal(`offset for a time in ${partition}`, Number(found.offset), middle)
    same(`read ${partition} from a time`,
      await fetchMessages(cluster, topic, partition, Number(found.offset), 5), expected.slice(middle, middle + 5), middle)
  }
}

async function limits(kafka, cluster, topic) {
  const producer = kafka.producer({ createPartitioner: () => () => 1, retry: { retries: 0 } })
  await producer.connect()
  const message = { key: Buffer.from('large'), value: crypto.randomBytes(900_000), headers: {}, timestamp: String(Date.now()) }
  const [{ baseOffset }] = await producer.send({ topic, acks: -1, messages: [message] })
  same('read a 900 kB message', await fetchMessages(cluster, topic, 1, Number(baseOffset), 1), [message], Number(baseOffset))
  let refused = null
  try {
    await producer.send({ topic, acks: -1, messages: [{ value: Buffer.alloc(2_000_000) }] })
  } catch (error) {
    refused = error.type || (error.cause && error.cause.type)
  }
  equal('a message above max.message.bytes', refused, 'MESSAGE_TOO_LARGE')
  await producer.disconnect()
}

async function grow(kafka, admin, cluster, topic, start) {
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
  await eventually('partitions after adding two', [0, 1, 2, 3, 4], () => partitionsOf(admin, topic))
  const producer = kafka.producer({ createPartitioner: () => () => 4 })
  await producer.connect()
  const messages = makeMessages(99, start)
  await producer.send({ topic, acks: -1, messages })
  await producer.disconnect()
  same('read a new partition', await fetchMessages(cluster, topic, 4, 0, RECORDS), messages.map(plain), 0)
}

async function shrink(admin, cluster, topic, written) {
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '10' }] })
  const low = Number((await admin.fetchTopicOffsets(topic)).find(o => o.partition === 0).low)
  equal('beginning after deleting records', low, 10)
  same('read what is left', await fetchMessages(cluster, topic, 0, 10, written.length - 10), written.slice(10), 10)
  await admin.deleteTopics({ topics: [topic] })
  await eventually('topic is gone', false, async () => (await admin.listTopics()).includes(topic))
}

if (!address) fail('usage: node journey.js HOST:PORT')
setTimeout(() => fail(`not done after ${SECONDS_MAX} s`), SECONDS_MAX * 1000).unref()
journey().then(() => { console.log('done kafkajs'); process.exit(0) }, error => fail('error', error))
