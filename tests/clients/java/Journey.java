// The Java client of Kafka 4.3 against a broker: producer, consumer and admin by their API.
//
// One line per check; the first difference ends the program with exit code 1. Partitions are assigned, no groups.
// Run as a source file: java -cp 'kafka/*' Journey.java HOST:PORT

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Journey {
    static final int RECORDS = 20;
    static final int SECONDS_MAX = 150;

    static String address;
    static String topic;

    /** A probe that is asked until it gives what is expected. */
    interface Probe<T> {
        T get() throws Exception;
    }

    static void fail(String what) {
        System.out.println("FAIL " + what);
        System.out.flush();
        Runtime.getRuntime().halt(1);
    }

    static <T> void equal(String what, T got, T expected) {
        if (!Objects.equals(got, expected)) {
            fail(what + "\n  expected " + expected + "\n  got      " + got);
        }
        System.out.println("ok " + what);
    }

    static <T> void eventually(String what, T expected, Probe<T> probe) throws Exception {
        long deadline = System.currentTimeMillis() + 15_000;
        T got = probe.get();
        while (!Objects.equals(got, expected) && System.currentTimeMillis() < deadline) {
            Thread.sleep(50);
            got = probe.get();
        }
        equal(what, got, expected);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static List<ProducerRecord<byte[], byte[]>> makeRecords(int partition, int seed, long base) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < RECORDS; i++) {
            byte[] key = i % 5 == 3 ? null : bytes("key-" + seed + "-" + i);
            byte[] value = i % 7 == 5 ? null : i == 9 ? new byte[0] : bytes(("value " + seed + " " + i + " ").repeat(1 + 10 * i));
            List<Header> headers = new ArrayList<>();
            if (i % 3 == 0) {
                headers.add(new RecordHeader("h", bytes("" + i)));
                headers.add(new RecordHeader("h", bytes("again")));
                headers.add(new RecordHeader("empty", new byte[0]));
                headers.add(new RecordHeader("null", (byte[]) null));
            }
            records.add(new ProducerRecord<>(topic, partition, base + 1000L * i, key, value, headers));
        }
        return records;
    }

    static String show(byte[] bytes) {
        return bytes == null ? "null" : "'" + new String(bytes, StandardCharsets.ISO_8859_1) + "'";
    }

    static String show(long offset, long timestamp, byte[] key, byte[] value, Iterable<Header> headers) {
        StringBuilder text = new StringBuilder(offset + " " + timestamp + " " + show(key) + " " + show(value));
        for (Header header : headers) {
            text.append(' ').append(header.key()).append('=').append(show(header.value()));
        }
        return text.toString();
    }

    static void same(String what, List<ConsumerRecord<byte[], byte[]>> got, List<ProducerRecord<byte[], byte[]>> expected, long first) {
        if (got.size() != expected.size()) {
            fail(what + ": " + got.size() + " records instead of " + expected.size());
        }
        for (int i = 0; i < got.size(); i++) {
            ConsumerRecord<byte[], byte[]> left = got.get(i);
            ProducerRecord<byte[], byte[]> right = expected.get(i);
            String a = show(left.offset(), left.timestamp(), left.key(), left.value(), left.headers());
            String b = show(first + i, right.timestamp(), right.key(), right.value(), right.headers());
            if (!a.equals(b)) {
                fail(what + "\n  expected " + b + "\n  got      " + a);
            }
        }
        System.out.println("ok " + what + " (" + got.size() + " records)");
    }

    static KafkaProducer<byte[], byte[]> producer(String... settings) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        properties.put("linger.ms", "50");
        properties.put("delivery.timeout.ms", "30000");
        properties.put("request.timeout.ms", "10000");
        for (int i = 0; i < settings.length; i += 2) {
            properties.put(settings[i], settings[i + 1]);
        }
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static List<Long> send(KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> record : records) {
            futures.add(producer.send(record));
        }
        producer.flush();
        List<Long> offsets = new ArrayList<>();
        for (Future<RecordMetadata> future : futures) {
            offsets.add(future.get().offset());
        }
        return offsets;
    }

    static List<Long> range(long first, int count) {
        List<Long> offsets = new ArrayList<>();
        for (long i = first; i < first + count; i++) {
            offsets.add(i);
        }
        return offsets;
    }

    static List<ConsumerRecord<byte[], byte[]>> fetch(KafkaConsumer<byte[], byte[]> consumer, int partition, long offset, int count) {
        TopicPartition tp = new TopicPartition(topic, partition);
        consumer.assign(List.of(tp));
        consumer.seek(tp, offset);
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        while (found.size() < count) {
            found.addAll(consumer.poll(Duration.ofSeconds(1)).records(tp));
        }
        return found.subList(0, count);
    }

    static Set<Integer> partitions(Admin admin) throws Exception {
        Set<Integer> found = new java.util.TreeSet<>();
        try {
            TopicDescription description = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            description.partitions().stream().filter(p -> p.leader() != null).forEach(p -> found.add(p.partition()));
        } catch (ExecutionException notYet) {
            System.out.println("describe: " + notYet.getMessage());
        }
        return found;
    }

    static String config(Admin admin, String name) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        ConfigEntry entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name);
        return entry == null ? null : entry.value() + " " + entry.source();
    }

    static void alter(Admin admin, AlterConfigOp.OpType op, String name, String value) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Collection<AlterConfigOp> ops = List.of(new AlterConfigOp(new ConfigEntry(name, value), op));
        admin.incrementalAlterConfigs(Map.of(resource, ops)).all().get();
    }

    static long listOffset(Admin admin, int partition, OffsetSpec spec) throws Exception {
        TopicPartition tp = new TopicPartition(topic, partition);
        return admin.listOffsets(Map.of(tp, spec)).partitionResult(tp).get().offset();
    }

    static void administrate(Admin admin) throws Exception {
        equal("one broker", admin.describeCluster().nodes().get().size(), 1);
        NewTopic created = new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "86400000", "segment.bytes", "1048576"));
        equal("partitions told at creation", admin.createTopics(List.of(created)).numPartitions(topic).get(), 3);
        try {
            admin.createTopics(List.of(created)).all().get();
            fail("a topic was created twice");
        } catch (ExecutionException expected) {
            equal("a topic that exists", expected.getCause().getClass(), (Class) TopicExistsException.class);
        }
        eventually("topic is listed", true, () -> admin.listTopics().names().get().contains(topic));
        eventually("partitions", Set.of(0, 1, 2), () -> partitions(admin));
        equal("config given at creation", config(admin, "retention.ms"), "86400000 DYNAMIC_TOPIC_CONFIG");
        equal("config by default", config(admin, "cleanup.policy"), "delete DEFAULT_CONFIG");
        alter(admin, AlterConfigOp.OpType.SET, "retention.ms", "172800000");
        eventually("altered config", "172800000 DYNAMIC_TOPIC_CONFIG", () -> config(admin, "retention.ms"));
        alter(admin, AlterConfigOp.OpType.DELETE, "retention.ms", "");
        eventually("config back at its default", "604800000 DEFAULT_CONFIG", () -> config(admin, "retention.ms"));
        equal("log directories", admin.describeLogDirs(List.of(admin.describeCluster().controller().get().id())).allDescriptions().get().size(), 1);
    }

    static List<List<ProducerRecord<byte[], byte[]>>> produceAll(Admin admin, long start) throws Exception {
        List<List<ProducerRecord<byte[], byte[]>>> written = List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        String[] acks = {"0", "1", "all"};
        int step = 0;
        for (int partition = 0; partition < 3; partition++) {
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                step++;
                int first = written.get(partition).size();
                var records = makeRecords(partition, step, start + step * 60_000L);
                String what = " acks=" + acks[partition] + " " + codec;
                // With acks=all this is the idempotent producer, which is Java's default.
                try (var producer = producer("acks", acks[partition], "compression.type", codec, "enable.idempotence", "" + (partition == 2))) {
                    List<Long> offsets = send(producer, records);
                    if (partition > 0) {
                        equal("offsets" + what, offsets, range(first, RECORDS));
                    }
                }
                written.get(partition).addAll(records);
                int at = partition;
                eventually("end offset" + what, (long) first + RECORDS, () -> listOffset(admin, at, OffsetSpec.latest()));
            }
        }
        return written;
    }

    static void readAll(Admin admin, KafkaConsumer<byte[], byte[]> consumer, List<List<ProducerRecord<byte[], byte[]>>> written) throws Exception {
        for (int partition = 0; partition < 3; partition++) {
            var expected = written.get(partition);
            TopicPartition tp = new TopicPartition(topic, partition);
            same("read " + partition + " from the beginning", fetch(consumer, partition, 0, expected.size()), expected, 0);
            int middle = expected.size() / 2 + 3;
            same("read " + partition + " from offset " + middle, fetch(consumer, partition, middle, expected.size() - middle),
                expected.subList(middle, expected.size()), middle);
            long time = expected.get(middle).timestamp() - 500;
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(tp, time)).get(tp);
            equal("offset for a time in " + partition, found.offset() + " " + found.timestamp(), middle + " " + (time + 500));
            same("read " + partition + " from a time", fetch(consumer, partition, found.offset(), 5), expected.subList(middle, middle + 5), middle);
            equal("offset of the largest timestamp", listOffset(admin, partition, OffsetSpec.maxTimestamp()), (long) expected.size() - 1);
            equal("beginning and end", consumer.beginningOffsets(List.of(tp)).get(tp) + " " + consumer.endOffsets(List.of(tp)).get(tp), "0 " + expected.size());
        }
    }

    static void limits(KafkaConsumer<byte[], byte[]> consumer, long start) throws Exception {
        byte[] value = new byte[900_000];
        new Random(1).nextBytes(value);
        try (var producer = producer("max.request.size", "4000000")) {
            var large = new ProducerRecord<>(topic, 1, start, bytes("large"), value);
            long offset = send(producer, List.of(large)).get(0);
            same("read a 900 kB record", fetch(consumer, 1, offset, 1), List.of(large), offset);
            try {
                send(producer, List.of(new ProducerRecord<>(topic, 1, start, null, new byte[2_000_000])));
                fail("2 MB were accepted");
            } catch (ExecutionException expected) {
                equal("a record above max.message.bytes", expected.getCause().getClass(), (Class) RecordTooLargeException.class);
            }
        }
    }

    static void growAndShrink(Admin admin, KafkaConsumer<byte[], byte[]> consumer, List<ProducerRecord<byte[], byte[]>> written, long start) throws Exception {
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        eventually("partitions after adding two", Set.of(0, 1, 2, 3, 4), () -> partitions(admin));
        var records = makeRecords(4, 99, start);
        try (var producer = producer()) {
            equal("offsets in a new partition", send(producer, records), range(0, RECORDS));
        }
        same("read a new partition", fetch(consumer, 4, 0, RECORDS), records, 0);
        TopicPartition tp = new TopicPartition(topic, 0);
        long low = admin.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(10))).lowWatermarks().get(tp).get().lowWatermark();
        equal("low watermark after deleting records", low, 10L);
        equal("beginning after deleting records", listOffset(admin, 0, OffsetSpec.earliest()), 10L);
        same("read what is left", fetch(consumer, 0, 10, written.size() - 10), written.subList(10, written.size()), 10);
        var producers = admin.describeProducers(List.of(new TopicPartition(topic, 2))).all().get();
        equal("producers of a partition", producers.get(new TopicPartition(topic, 2)).activeProducers().size(), 5);
        admin.deleteTopics(List.of(topic)).all().get();
        eventually("topic is gone", false, () -> admin.listTopics().names().get().contains(topic));
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 1) {
            fail("usage: Journey.java HOST:PORT");
        }
        address = arguments[0];
        topic = "java-" + ProcessHandle.current().pid() + "-" + System.currentTimeMillis();
        Thread watchdog = new Thread(() -> {
            try {
                Thread.sleep(SECONDS_MAX * 1000L);
            } catch (InterruptedException never) {
                return;
            }
            fail("not done after " + SECONDS_MAX + " s");
        });
        watchdog.setDaemon(true);
        watchdog.start();
        long start = System.currentTimeMillis() / 1000 * 1000 - 3_600_000;
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        Properties reading = new Properties();
        reading.putAll(properties);
        reading.put("enable.auto.commit", "false");
        reading.put("auto.offset.reset", "none");
        reading.put("fetch.max.wait.ms", "100");
        try (Admin admin = Admin.create(properties);
             var consumer = new KafkaConsumer<>(reading, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            administrate(admin);
            var written = produceAll(admin, start);
            readAll(admin, consumer, written);
            limits(consumer, start);
            growAndShrink(admin, consumer, written.get(0), start);
        } catch (Throwable error) {
            error.printStackTrace(System.out);
            fail(error.toString());
        }
        System.out.println("done java");
        Runtime.getRuntime().halt(0);
    }
}
