// kafkajs as a member of a group: the lines of groups/journey.py.
'use strict'

const { Kafka, logLevel } = require('kafkajs')
const readline = require('readline')

const [address, groupId, topic] = process.argv.slice(2)
const positions = new Map()
let owned = []

const say = (...words) => process.stdout.write(words.join(' ') + '\n')

async function main() {
  const retry = { initialRetryTime: 100, maxRetryTime: 1000, retries: 60 }
  const kafka = new Kafka({ clientId: `member-${process.pid}`, brokers: [address], logLevel: logLevel.NOTHING, retry })
  const consumer = kafka.consumer({
    groupId, sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 20000, maxWaitTimeInMs: 100, retry,
  })
  const admin = kafka.admin()
  const assigned = partitions => {
    owned = partitions
    for (const partition of positions.keys()) if (!owned.includes(partition)) positions.delete(partition)
    say('assigned', ...owned)
  }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => assigned(payload.memberAssignment[topic] || []))
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) { say('#', payload.error.stack); process.exit(1) }
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })

  const commands = {
    async commit(metadata) {
      const offsets = owned.filter(p => positions.has(p)).map(p => ({ topic, partition: p, offset: String(positions.get(p)), metadata }))
      await consumer.commitOffsets(offsets)
    },
    async committed() {
      await admin.connect()
      const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] })
      await admin.disconnect()
      for (const { partition, offset, metadata } of partitions) if (owned.includes(partition)) say('committed', partition, offset, metadata)
    },
    async seek(partition, offset) { consumer.seek({ topic, partition: Number(partition), offset }) },
    async leave() { await consumer.disconnect() },
  }
  readline.createInterface({ input: process.stdin }).on('line', line => {
    const [name, ...words] = line.split(' ')
    commands[name](...words).then(() => {
      say('done', name)
      if (name === 'leave') process.exit(0)
    }, error => { say('#', error.stack); process.exit(1) })
  }).on('close', () => process.exit(3)) // who started this is gone

  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      positions.set(partition, Number(message.offset) + 1)
      say('record', partition, message.offset, message.value.toString())
    },
  })
}

main().catch(error => { say('#', error.stack); process.exit(1) })
