// franz-go as a member of a group, by the classic protocol (cooperative) and by KIP-848: the lines of groups/journey.py.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// member holds what callbacks, the polling loop and commands share.
type member struct {
	mutex     sync.Mutex
	client    *kgo.Client
	topic     string
	group     string
	owned     []int32
	positions map[int32]int64
}

func die(err error) {
	if err != nil {
		fmt.Println("#", err)
		os.Exit(1)
	}
}

// change notes what was added to and taken from what this member owns, and says what it owns now.
func (m *member) change(added, removed map[string][]int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, partition := range removed[m.topic] {
		m.owned = slices.DeleteFunc(m.owned, func(p int32) bool { return p == partition })
		delete(m.positions, partition)
	}
	m.owned = append(m.owned, added[m.topic]...)
	slices.Sort(m.owned)
	fmt.Println("assigned", strings.Trim(fmt.Sprint(m.owned), "[]"))
}

func (m *member) poll() {
	for {
		fetches := m.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		m.mutex.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			m.positions[r.Partition] = r.Offset + 1
			fmt.Println("record", r.Partition, r.Offset, string(r.Value))
		})
		m.mutex.Unlock()
	}
}

func (m *member) commit(metadata string) {
	m.mutex.Lock()
	offsets := map[int32]kgo.EpochOffset{}
	for _, partition := range m.owned {
		if at, known := m.positions[partition]; known {
			offsets[partition] = kgo.EpochOffset{Epoch: -1, Offset: at}
		}
	}
	m.mutex.Unlock()
	ctx := kgo.PreCommitFnContext(context.Background(), func(request *kmsg.OffsetCommitRequest) error {
		for i := range request.Topics {
			for j := range request.Topics[i].Partitions {
				request.Topics[i].Partitions[j].Metadata = &metadata
			}
		}
		return nil
	})
	m.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{m.topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			die(err)
			for _, topic := range answer.Topics {
				for _, partition := range topic.Partitions {
					if partition.ErrorCode != 0 {
						die(fmt.Errorf("commit of %d: error %d", partition.Partition, partition.ErrorCode))
					}
				}
			}
		})
}

func (m *member) committed() {
	offsets, err := kadm.NewClient(m.client).FetchOffsets(context.Background(), m.group)
	die(err)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, partition := range m.owned {
		if found, there := offsets.Lookup(m.topic, partition); there {
			fmt.Println("committed", partition, found.At, found.Metadata)
		}
	}
}

func (m *member) seek(partition, offset string) {
	p, err := strconv.Atoi(partition)
	die(err)
	o, err := strconv.ParseInt(offset, 10, 64)
	die(err)
	m.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{m.topic: {int32(p): {Epoch: -1, Offset: o}}})
}

func (m *member) obey() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "commit":
			m.commit(words[1])
		case "committed":
			m.committed()
		case "seek":
			m.seek(words[1], words[2])
		case "leave":
			die(m.client.LeaveGroupContext(context.Background()))
			m.client.Close()
			fmt.Println("done leave")
			os.Exit(0)
		}
		fmt.Println("done", words[0])
	}
	os.Exit(3) // who started this is gone
}

func main() {
	address, group, topic, protocol := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	m := &member{topic: topic, group: group, positions: map[int32]int64{}}
	options := []kgo.Opt{
		kgo.SeedBrokers(address), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(500 * time.Millisecond), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, added map[string][]int32) { m.change(added, nil) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { m.change(nil, gone) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { m.change(nil, gone) }),
	}
	if protocol == "consumer" {
		options = append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	client, err := kgo.NewClient(options...)
	die(err)
	m.client = client
	go m.obey()
	m.poll()
	select {} // the client is closed, and `leave` ends the process
}
