// franz-go against a broker: the Go client that uses the newest version of every request.
//
// One line per check; the first difference ends the program with exit code 1. Partitions are assigned, no groups.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	recordCount = 20
	secondsMax  = 150
)

var (
	address string
	ctx     context.Context
)

type acks struct {
	name  string
	value kgo.Acks
}

type codec struct {
	name  string
	value kgo.CompressionCodec
}

func fail(format string, args ...any) {
	fmt.Printf("FAIL "+format+"\n", args...)
	os.Exit(1)
}

func ok(what string, err error) {
	if err != nil {
		fail("%s: %v", what, err)
	}
	fmt.Println("ok", what)
}

func equal[T any](what string, got, expected T) {
	if !reflect.DeepEqual(got, expected) {
		fail("%s\n  expected %v\n  got      %v", what, expected, got)
	}
	fmt.Println("ok", what)
}

func eventually[T any](what string, expected T, probe func() T) {
	deadline := time.Now().Add(15 * time.Second)
	for {
		got := probe()
		if reflect.DeepEqual(got, expected) || time.Now().After(deadline) {
			equal(what, got, expected)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func client(opts ...kgo.Opt) *kgo.Client {
	all := append([]kgo.Opt{kgo.SeedBrokers(address), kgo.FetchMaxWait(100 * time.Millisecond)}, opts...)
	cl, err := kgo.NewClient(all...)
	if err != nil {
		fail("client: %v", err)
	}
	return cl
}

func makeRecords(topic string, partition int32, seed int, base time.Time) []*kgo.Record {
	var records []*kgo.Record
	for i := range recordCount {
		r := &kgo.Record{Topic: topic, Partition: partition, Timestamp: base.Add(time.Duration(i) * time.Second)}
		if i%5 != 3 {
			r.Key = []byte(fmt.Sprintf("key-%d-%d", seed, i))
		}
		switch {
		case i%7 == 5: // no value: a tombstone
		case i == 9:
			r.Value = []byte{}
		default:
			r.Value = bytes.Repeat([]byte(fmt.Sprintf("value %d %d ", seed, i)), 1+10*i)
		}
		if i%3 == 0 {
			r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte(strconv.Itoa(i))}, {Key: "h", Value: []byte("again")},
				{Key: "empty", Value: []byte{}}, {Key: "null", Value: nil}}
		}
		records = append(records, r)
	}
	return records
}

// describe makes two records comparable, telling null from empty.
func describe(r *kgo.Record) string {
	s := fmt.Sprintf("%d %d key=%v:%q value=%v:%q", r.Offset, r.Timestamp.UnixMilli(), r.Key == nil, r.Key, r.Value == nil, r.Value)
	for _, h := range r.Headers {
		s += fmt.Sprintf(" %s=%v:%q", h.Key, h.Value == nil, h.Value)
	}
	return s
}

func same(what string, got, expected []*kgo.Record) {
	if len(got) != len(expected) {
		fail("%s: %d records instead of %d", what, len(got), len(expected))
	}
	for i := range got {
		if describe(got[i]) != describe(expected[i]) {
			fail("%s\n  expected %s\n  got      %s", what, describe(expected[i]), describe(got[i]))
		}
	}
	fmt.Printf("ok %s (%d records)\n", what, len(got))
}

// produce sends and checks that the records get successive offsets from `first`; acks=0 tells no offsets.
func produce(what string, cl *kgo.Client, records []*kgo.Record, first int64, told bool) {
	results := cl.ProduceSync(ctx, records...)
	for i, result := range results {
		if result.Err != nil {
			fail("%s: %v", what, result.Err)
		}
		if told && result.Record.Offset != first+int64(i) {
			fail("%s: record %d got offset %d", what, i, result.Record.Offset)
		}
		records[i].Offset = first + int64(i)
	}
	fmt.Println("ok", what)
}

func fetch(topic string, partition int32, at kgo.Offset, count int) []*kgo.Record {
	cl := client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: at}}))
	defer cl.Close()
	var found []*kgo.Record
	for len(found) < count {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			fail("fetch %s-%d: %v", topic, partition, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { found = append(found, r) })
	}
	return found[:count]
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: franz-go HOST:PORT")
	}
	address = os.Args[1]
	var cancel context.CancelFunc
	ctx, cancel = context.WithTimeout(context.Background(), secondsMax*time.Second)
	defer cancel()
	time.AfterFunc((secondsMax+5)*time.Second, func() { fail("not done after %d s", secondsMax) })

	cl := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	admin := kadm.NewClient(cl)
	topic := fmt.Sprintf("franz-go-%d-%d", os.Getpid(), time.Now().Unix())
	start := time.Now().Truncate(time.Second).Add(-time.Hour)

	_, err := admin.ApiVersions(ctx)
	ok("api versions", err)
	cluster, err := admin.BrokerMetadata(ctx)
	ok("cluster", err)
	equal("one broker that is the controller", []bool{len(cluster.Brokers) == 1, cluster.Controller == cluster.Brokers[0].NodeID}, []bool{true, true})

	administrate(admin, topic)
	written := produceAll(cl, admin, topic, start)
	readAll(admin, topic, written, start)
	limits(topic, start)
	grow(cl, admin, topic, start)
	shrink(cl, admin, topic, written[0])
	fmt.Println("done franz-go")
}

func partitionsOf(admin *kadm.Client, topic string) []int32 {
	topics, err := admin.ListTopics(ctx, topic)
	if err != nil || topics[topic].Err != nil {
		return nil
	}
	var found []int32
	for _, p := range topics[topic].Partitions.Sorted() {
		if p.Leader >= 0 {
			found = append(found, p.Partition)
		}
	}
	return found
}

func config(admin *kadm.Client, topic, key string) string {
	all, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		fail("describe configs: %v", err)
	}
	resource, err := all.On(topic, nil)
	if err != nil || resource.Err != nil {
		fail("describe configs: %v %v", err, resource.Err)
	}
	for _, c := range resource.Configs {
		if c.Key == key {
			return c.MaybeValue()
		}
	}
	return "(absent)"
}

func administrate(admin *kadm.Client, topic string) {
	value := func(s string) *string { return &s }
	created, err := admin.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": value("86400000"), "segment.bytes": value("1048576")}, topic)
	ok("create topic", errors.Join(err, created.Err))
	equal("partitions and replicas told at creation", []int{int(created.NumPartitions), int(created.ReplicationFactor)}, []int{3, 1})
	equal("the topic has an id", created.ID != kadm.TopicID{}, true)
	_, err = admin.CreateTopic(ctx, 3, 1, nil, topic)
	equal("a topic that exists", errors.Is(err, kerr.TopicAlreadyExists), true)
	eventually("partitions", []int32{0, 1, 2}, func() []int32 { return partitionsOf(admin, topic) })
	equal("config given at creation", config(admin, topic, "retention.ms"), "86400000")
	equal("config by default", config(admin, topic, "cleanup.policy"), "delete")
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: value("172800000")}}, topic)
	ok("alter configs", err)
	equal("alter configs of the topic", altered[0].Err, nil)
	eventually("altered config", "172800000", func() string { return config(admin, topic, "retention.ms") })
	replaced, err := admin.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "segment.bytes", Value: value("1048576")}}, topic)
	ok("replace configs", err)
	equal("replace configs of the topic", replaced[0].Err, nil)
	eventually("a config that fell back to its default", "604800000", func() string { return config(admin, topic, "retention.ms") })
	dirs, err := admin.DescribeAllLogDirs(ctx, nil)
	ok("describe log dirs", err)
	known := 0
	for _, broker := range dirs {
		for _, dir := range broker {
			ok("log dir "+dir.Dir, dir.Err)
			known += len(dir.Topics[topic])
		}
	}
	equal("partitions in log dirs", known, 3)
	describeTopicPartitions(admin, topic)
}

func describeTopicPartitions(admin *kadm.Client, topic string) {
	request := kmsg.NewPtrDescribeTopicPartitionsRequest()
	request.ResponsePartitionLimit = 2
	request.Topics = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: topic}}
	cl := client()
	defer cl.Close()
	response, err := request.RequestWith(ctx, cl)
	ok("describe topic partitions", err)
	equal("a page of two partitions", len(response.Topics[0].Partitions), 2)
	equal("the cursor after it", []any{response.NextCursor.Topic, response.NextCursor.Partition}, []any{topic, int32(2)})
}

func produceAll(cl *kgo.Client, admin *kadm.Client, topic string, start time.Time) map[int32][]*kgo.Record {
	written := map[int32][]*kgo.Record{}
	step := 0
	add := func(what string, partition int32, told bool, opts ...kgo.Opt) {
		step++
		records := makeRecords(topic, partition, step, start.Add(time.Duration(step)*time.Minute))
		first := int64(len(written[partition]))
		producer := client(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(50*time.Millisecond))...)
		produce(what, producer, records, first, told)
		producer.Close()
		written[partition] = append(written[partition], records...)
		eventually("end offset after "+what, first+recordCount, func() int64 {
			listed, err := admin.ListEndOffsets(ctx, topic)
			if err != nil {
				fail("end offsets: %v", err)
			}
			end, _ := listed.Lookup(topic, partition)
			return end.Offset
		})
	}
	for partition, a := range []acks{{"0", kgo.NoAck()}, {"1", kgo.LeaderAck()}, {"all", kgo.AllISRAcks()}} {
		for _, c := range []codec{{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()},
			{"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()}} {
			add(fmt.Sprintf("produce acks=%s %s", a.name, c.name), int32(partition), a.name != "0",
				kgo.RequiredAcks(a.value), kgo.ProducerBatchCompression(c.value), kgo.DisableIdempotentWrite())
		}
	}
	add("produce idempotent", 2, true, kgo.ProducerBatchCompression(kgo.NoCompression()))
	records := makeRecords(topic, 1, 77, start)
	produce("produce with the shared client", cl, records, int64(len(written[1])), true)
	return written
}

func readAll(admin *kadm.Client, topic string, written map[int32][]*kgo.Record, start time.Time) {
	for partition := range int32(3) {
		expected := written[partition]
		same(fmt.Sprintf("read %d from the beginning", partition), fetch(topic, partition, kgo.NewOffset().AtStart(), len(expected)), expected)
		middle := len(expected)/2 + 3
		same(fmt.Sprintf("read %d from offset %d", partition, middle),
			fetch(topic, partition, kgo.NewOffset().At(int64(middle)), len(expected)-middle), expected[middle:])
		at := expected[middle].Timestamp.UnixMilli() - 500
		same(fmt.Sprintf("read %d from a time", partition),
			fetch(topic, partition, kgo.NewOffset().AfterMilli(at), 5), expected[middle:middle+5])
		listed, err := admin.ListOffsetsAfterMilli(ctx, at, topic)
		ok("list offsets after a time", err)
		offset, _ := listed.Lookup(topic, partition)
		equal("offset after a time", []any{offset.Offset, offset.Timestamp}, []any{int64(middle), at + 500})
		newest, err := admin.ListMaxTimestampOffsets(ctx, topic)
		ok("list offsets of the largest timestamp", err)
		largest, _ := newest.Lookup(topic, partition)
		equal("offset of the largest timestamp", largest.Offset, int64(len(expected)-1))
	}
}

func limits(topic string, start time.Time) {
	value := make([]byte, 900_000)
	_, _ = rand.Read(value)
	records := []*kgo.Record{{Topic: topic, Partition: 1, Key: []byte("large"), Value: value, Timestamp: start}}
	producer := client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(4_000_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer producer.Close()
	results := producer.ProduceSync(ctx, records...)
	ok("produce a 900 kB record", results.FirstErr())
	same("read a 900 kB record", fetch(topic, 1, kgo.NewOffset().At(results[0].Record.Offset), 1), records)
	results = producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: 1, Value: make([]byte, 2_000_000)})
	equal("a record above max.message.bytes", errors.Is(results.FirstErr(), kerr.MessageTooLarge), true)
}

func grow(cl *kgo.Client, admin *kadm.Client, topic string, start time.Time) {
	grown, err := admin.UpdatePartitions(ctx, 5, topic)
	ok("create partitions", err)
	equal("create partitions of the topic", grown[topic].Err, nil)
	eventually("partitions after adding two", []int32{0, 1, 2, 3, 4}, func() []int32 { return partitionsOf(admin, topic) })
	records := makeRecords(topic, 4, 99, start)
	producer := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer producer.Close()
	produce("produce to a new partition", producer, records, 0, true)
	same("read a new partition", fetch(topic, 4, kgo.NewOffset().AtStart(), recordCount), records)
}

func shrink(cl *kgo.Client, admin *kadm.Client, topic string, written []*kgo.Record) {
	var before kadm.Offsets
	before.Add(kadm.Offset{Topic: topic, Partition: 0, At: 10, LeaderEpoch: -1})
	deleted, err := admin.DeleteRecords(ctx, before)
	ok("delete records", err)
	low, _ := deleted.Lookup(topic, 0)
	equal("low watermark after deleting records", low.LowWatermark, int64(10))
	same("read what is left", fetch(topic, 0, kgo.NewOffset().AtStart(), len(written)-10), written[10:])
	gone, err := admin.DeleteTopic(ctx, topic)
	ok("delete topic", errors.Join(err, gone.Err))
	eventually("topic is gone", false, func() bool {
		topics, err := admin.ListTopics(ctx)
		if err != nil {
			fail("list topics: %v", err)
		}
		return topics.Has(topic)
	})
}
