// The Java client of Kafka 4.3 as a member of a group, by either protocol: the lines of groups/journey.py.
//
// Member HOST:PORT GROUP TOPIC classic|consumer

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public final class Member {
    static String topic;
    static KafkaConsumer<byte[], byte[]> consumer;

    static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static void sayAssigned() {
        say("assigned " + consumer.assignment().stream().map(tp -> tp.partition()).sorted().map(String::valueOf).collect(Collectors.joining(" ")));
    }

    static void listen(BlockingQueue<String> commands) {
        try (var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                commands.add(line);
            }
        } catch (java.io.IOException gone) {
            say("# " + gone);
        }
        Runtime.getRuntime().halt(3); // who started this is gone
    }

    static void obey(String[] words) {
        switch (words[0]) {
            case "commit" -> {
                Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
                consumer.assignment().forEach(tp -> positions.put(tp, new OffsetAndMetadata(consumer.position(tp), words[1])));
                consumer.commitSync(positions);
            }
            case "committed" -> consumer.committed(consumer.assignment()).forEach((tp, offset) -> {
                if (offset != null) {
                    say("committed " + tp.partition() + " " + offset.offset() + " " + offset.metadata());
                }
            });
            case "seek" -> consumer.seek(new TopicPartition(topic, Integer.parseInt(words[1])), Long.parseLong(words[2]));
            case "leave" -> consumer.close();
            default -> throw new IllegalArgumentException(words[0]);
        }
        say("done " + words[0]);
        if (words[0].equals("leave")) {
            Runtime.getRuntime().halt(0);
        }
    }

    static Properties settings(String address, String group, String protocol) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        properties.put("group.id", group);
        properties.put("group.protocol", protocol);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("fetch.max.wait.ms", "100");
        properties.put("reconnect.backoff.max.ms", "500");
        if (protocol.equals("classic")) {
            // With the other protocol the broker chooses them.
            properties.put("session.timeout.ms", "6000");
            properties.put("heartbeat.interval.ms", "500");
        }
        return properties;
    }

    public static void main(String[] arguments) {
        topic = arguments[2];
        BlockingQueue<String> commands = new LinkedBlockingQueue<>();
        Thread listener = new Thread(() -> listen(commands));
        listener.setDaemon(true);
        listener.start();
        try {
            consumer = new KafkaConsumer<>(settings(arguments[0], arguments[1], arguments[3]), new ByteArrayDeserializer(), new ByteArrayDeserializer());
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> added) {
                    sayAssigned();
                }

                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> gone) {
                    say("# revoked " + gone);
                }
            });
            java.util.Set<TopicPartition> owned = java.util.Set.of();
            while (true) {
                String command = commands.poll();
                if (command != null) {
                    obey(command.split(" "));
                }
                var records = consumer.poll(Duration.ofMillis(100));
                if (!owned.equals(consumer.assignment())) {
                    // A partition that was only taken away is not told by the listener's other half.
                    owned = java.util.Set.copyOf(consumer.assignment());
                    sayAssigned();
                }
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    say("record " + record.partition() + " " + record.offset() + " " + new String(record.value(), StandardCharsets.UTF_8));
                }
            }
        } catch (Throwable error) {
            error.printStackTrace(System.out);
            say("# " + error);
            Runtime.getRuntime().halt(1);
        }
    }
}
