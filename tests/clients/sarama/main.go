// sarama as a member of a group: the lines of groups/journey.py.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// member is the handler of the group: sarama calls it for every generation.
type member struct {
	mutex     sync.Mutex
	topic     string
	group     string
	session   sarama.ConsumerGroupSession
	owned     []int32
	positions map[int32]int64
}

func die(err error) {
	if err != nil {
		fmt.Println("#", err)
		os.Exit(1)
	}
}

func (m *member) assigned(session sarama.ConsumerGroupSession, owned []int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.session, m.owned, m.positions = session, slices.Sorted(slices.Values(owned)), map[int32]int64{}
	fmt.Println("assigned", strings.Trim(fmt.Sprint(m.owned), "[]"))
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.assigned(session, session.Claims()[m.topic])
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.assigned(nil, nil)
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.mutex.Lock()
			m.positions[message.Partition] = message.Offset + 1
			fmt.Println("record", message.Partition, message.Offset, string(message.Value))
			m.mutex.Unlock()
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) commit(admin sarama.ClusterAdmin, metadata string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.session == nil {
		die(errors.New("a commit while no generation is joined"))
	}
	for partition, at := range m.positions {
		m.session.MarkOffset(m.topic, partition, at, metadata)
	}
	// A commit may fail, as after a restart of the broker, and says so only by what is there.
	for range 50 {
		m.session.Commit()
		// Nor may it be possible to look, while the coordinator loads.
		offsets, err := admin.ListConsumerGroupOffsets(m.group, map[string][]int32{m.topic: m.owned})
		done := err == nil
		for partition, at := range m.positions {
			if done {
				block := offsets.GetBlock(m.topic, partition)
				done = block != nil && block.Offset == at
			}
		}
		if done {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	die(errors.New("a commit that does not arrive"))
}

func (m *member) committed(admin sarama.ClusterAdmin) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	offsets, err := admin.ListConsumerGroupOffsets(m.group, map[string][]int32{m.topic: m.owned})
	die(err)
	for _, partition := range m.owned {
		if block := offsets.GetBlock(m.topic, partition); block != nil {
			fmt.Println("committed", partition, block.Offset, block.Metadata)
		}
	}
}

func configuration() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Group.Rebalance.Timeout = 20 * time.Second
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	config.Consumer.Retry.Backoff = 200 * time.Millisecond
	config.Metadata.Retry.Max = 100
	config.Metadata.Retry.Backoff = 200 * time.Millisecond
	return config
}

func main() {
	address, name, topic := os.Args[1], os.Args[2], os.Args[3]
	m := &member{topic: topic, group: name}
	group, err := sarama.NewConsumerGroup([]string{address}, name, configuration())
	die(err)
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan struct{})
	go func() {
		defer close(left)
		for ctx.Err() == nil {
			// A generation that ends with an error is joined anew, as sarama's own example does it.
			if err := group.Consume(ctx, []string{topic}, m); err != nil {
				fmt.Println("#", err)
				time.Sleep(200 * time.Millisecond)
			}
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "commit", "committed":
			admin, err := sarama.NewClusterAdmin([]string{address}, configuration())
			die(err)
			if words[0] == "commit" {
				m.commit(admin, words[1])
			} else {
				m.committed(admin)
			}
			die(admin.Close())
		case "leave":
			cancel()
			<-left
			die(group.Close())
			fmt.Println("done leave")
			os.Exit(0)
		}
		fmt.Println("done", words[0])
	}
	os.Exit(3) // who started this is gone
}
