"""The life of a consumer group, with members that are processes of one client library: journey.py CLIENT HOST:PORT.

A member (`tests/clients/run member-CLIENT ADDRESS GROUP TOPIC`) joins the group and prints a line per event:

    assigned 0 2 4              what it owns now, whenever that changes
    record PARTITION OFFSET VALUE
    committed PARTITION OFFSET METADATA
    done COMMAND

and obeys the lines it reads: `commit TEXT` (its positions, with that metadata), `committed` (what the broker holds for what it
owns), `seek PARTITION OFFSET`, `leave`. This program starts and kills members, writes records and checks who gets what. One line
is printed per check; the first difference ends the program with exit code 1.

If CORELOG_RESTART_BROKER names a folder, this program asks for a restart of the broker by creating `restart` there, and goes on
once `restarted` is there. Without it that part is left out.

Members that die are missed after the session timeout: 6 s with the classic protocol, where the client chooses it. With the
consumer protocol the broker chooses: group.consumer.session.timeout.ms, group.consumer.heartbeat.interval.ms.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter

from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS_MAX = int(os.environ.get("CLIENT_SECONDS_MAX", "180"))
PARTITIONS = 6
# Longer than a session timeout and all that follows it on a busy machine.
PATIENCE = 45
MISSING = 77

# What a client cannot do: `commit` (with metadata, when told), `seek` inside a group, `stay` while the broker is down.
CANNOT = {"kcat": {"commit", "seek", "stay"}, "sarama": {"seek"}}


class Difference(Exception):
    pass


def ok(*what):
    print("ok", *what, flush=True)


def eventually(what, probe, seconds=PATIENCE):
    """`probe` gives None when all is well, and else what is wrong."""
    deadline = time.time() + seconds
    while True:
        wrong = probe()
        if wrong is None:
            ok(what)
            return
        if time.time() > deadline:
            raise Difference("%s, after %d s: %s" % (what, seconds, wrong))
        time.sleep(0.02)


class Member:
    """A process of the client, and what it said."""

    def __init__(self, journey, name):
        self.journey, self.name = journey, name
        self.assigned, self.records, self.committed, self.done = None, [], {}, []
        command = [os.path.join(HERE, "..", "run"), "member-" + journey.client, journey.address, journey.group, journey.topic]
        # A session of its own: killing its group also kills what the client started.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                        start_new_session=True)
        journey.members.append(self)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            kind, *words = line.split() or ["#"]
            if kind == "assigned":
                self.assigned = sorted(int(word) for word in words)
            elif kind == "record":
                self.records.append((int(words[0]), int(words[1]), words[2]))
            elif kind == "committed":
                self.committed[int(words[0])] = (int(words[1]), words[2])
            elif kind == "done":
                self.done.append(words[0])
            else:
                print("#", self.name, line.rstrip("\n"), flush=True)

    def tell(self, *command):
        before = len(self.done)
        self.process.stdin.write(" ".join(str(word) for word in command) + "\n")
        self.process.stdin.flush()
        deadline = time.time() + PATIENCE
        while len(self.done) == before:
            if time.time() > deadline:
                raise Difference("%s does not do %s" % (self.name, command))
            self.journey.living()
            time.sleep(0.01)

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.journey.members.remove(self)

    def leave(self):
        """Leaves the group in the way of its library, and ends."""
        self.journey.members.remove(self)
        self.tell("leave")
        if self.process.wait(PATIENCE) != 0:
            raise Difference("%s ended with %d" % (self.name, self.process.returncode))


class Journey:
    def __init__(self, client, address):
        self.client, self.address = client, address
        self.cannot = CANNOT.get(client, set())
        unique = "%d-%d" % (os.getpid(), int(time.time()))
        self.topic, self.group = "groups-" + unique, "group-%s-%s" % (client, unique)
        self.members, self.written, self.ends = [], 0, [0] * PARTITIONS
        self.connect()

    def connect(self):
        self.admin = KafkaAdminClient(bootstrap_servers=self.address)
        self.producer = KafkaProducer(bootstrap_servers=self.address, acks="all", linger_ms=5)

    def living(self):
        for member in self.members:
            code = member.process.poll()
            if code == MISSING:
                sys.exit(MISSING)
            if code is not None:
                raise Difference("%s ended with %d" % (member.name, code))

    def write(self, count):
        """Writes so many records over all partitions, and returns what a reader must see."""
        futures = []
        for _ in range(count):
            partition = self.written % PARTITIONS
            value = "value-%d" % self.written
            futures.append((partition, value, self.producer.send(self.topic, value.encode(), partition=partition)))
            self.written += 1
        self.producer.flush()
        written = [(partition, future.get(20).offset, value) for partition, value, future in futures]
        for partition, offset, _ in written:
            self.ends[partition] = offset + 1
        return written

    def shares(self, what, seconds=PATIENCE):
        """All members together own every partition once, in equal parts."""
        def probe():
            self.living()
            owned = [member.assigned or [] for member in self.members]
            each = PARTITIONS // len(owned)
            fair = all(len(part) == each for part in owned) and sorted(sum(owned, [])) == list(range(PARTITIONS))
            return None if fair else "members own %s" % owned
        eventually(what, probe, seconds)

    def arrive(self, what, expected, once=True):
        """Every expected record reaches the member that owns its partition; with `once`, no record twice."""
        def probe():
            self.living()
            lacking = [record for member in self.members for record in expected
                       if record[0] in (member.assigned or []) and record not in member.records]
            return "%d records lack, as %s" % (len(lacking), lacking[:3]) if lacking else None
        eventually(what, probe)
        if once:
            seen = Counter(record for member in self.members for record in member.records)
            often = [record for record in expected if seen[record] != 1]
            if often:
                raise Difference("%s: %s came %d times" % (what, often[0], seen[often[0]]))

    def commit(self, what):
        """All members commit what they read, which is everything, and find it again with its metadata."""
        text = "metadata-of-%s" % what.replace(" ", "-")
        if "commit" not in self.cannot:
            for member in self.members:
                member.tell("commit", text)
            for member in self.members:
                member.committed = {}
                member.tell("committed")
                expected = {partition: (self.ends[partition], text) for partition in member.assigned}
                if member.committed != expected:
                    raise Difference("%s: %s finds %s instead of %s" % (what, member.name, member.committed, expected))
            ok("%s: committed offsets and metadata come back" % what)

        def probe():
            held = self.admin.list_group_offsets({self.group: None})[self.group]
            held = [held[tp].offset if tp in held else None for tp in (TopicPartition(self.topic, p) for p in range(PARTITIONS))]
            return None if held == self.ends else "%s instead of %s" % (held, self.ends)
        eventually("%s: the broker holds the ends of all partitions" % what, probe)

    def resume(self, what, member, count):
        """A new member begins where the group left off, and sees nothing older."""
        fresh = self.write(count)
        self.shares("%s: alone with all partitions" % what)
        self.arrive("%s: gets what is new" % what, fresh)
        older = [record for record in member.records if record not in fresh]
        if older:
            raise Difference("%s: %s was committed before" % (what, older[0]))
        ok("%s: and nothing older" % what)

    def go(self):
        self.admin.create_topics({self.topic: {"num_partitions": PARTITIONS, "replication_factor": 1}})
        first = self.write(60)

        a = Member(self, "a")
        self.shares("one member owns all partitions")
        self.arrive("it reads from the earliest offset", first)
        self.commit("first commit")

        b = Member(self, "b")
        self.shares("a second member joins")
        self.arrive("both read on", self.write(30))
        self.commit("two members")

        c = Member(self, "c")
        self.shares("a third member joins")
        self.arrive("all three read on", self.write(30))
        self.commit("three members")

        b.leave()
        # Well before the session of the member that left would have ended.
        self.shares("one leaves and the others take over", 5)
        uncommitted = self.write(30)
        self.arrive("they read on", uncommitted)
        self.kill(c, uncommitted)
        self.commit("after the kill")

        a.leave()
        d = Member(self, "d")
        self.resume("after the restart of the client", d, 24)
        self.commit("resumed")
        self.restart()
        self.seek()
        for member in list(self.members):
            member.leave()
        self.admin.delete_topics([self.topic])

    def kill(self, victim, uncommitted):
        """What a dead member read and did not commit is read again by the one that takes over."""
        its = [record for record in uncommitted if record[0] in victim.assigned]
        victim.kill()
        self.shares("one is killed and the other takes over")
        # kcat commits by itself what it read.
        if "commit" not in self.cannot:
            self.arrive("what the dead did not commit is read again", its, once=False)
        self.arrive("the other reads on", self.write(18))

    def restart(self):
        folder = os.environ.get("CORELOG_RESTART_BROKER")
        if not folder:
            print("# no restart of the broker: CORELOG_RESTART_BROKER is not set", flush=True)
            return
        e = Member(self, "e")
        self.shares("two members before the restart of the broker")
        self.arrive("both read on before the restart", self.write(12))
        self.commit("before the restart")
        if "stay" in self.cannot:
            for member in list(self.members):
                member.leave()
        self.admin.close()
        self.producer.close()
        open(os.path.join(folder, "restart"), "w").close()
        deadline = time.time() + 90
        while not os.path.exists(os.path.join(folder, "restarted")):
            if time.time() > deadline:
                raise Difference("the broker was not restarted")
            time.sleep(0.02)
        self.connect()
        if "stay" in self.cannot:
            return self.resume("after the restart of the broker", Member(self, "f"), 18)
        fresh = self.write(12)
        self.shares("two members after the restart of the broker")
        self.arrive("both read on after the restart", fresh, once=False)
        self.commit("after the restart")
        for member in list(self.members):
            member.leave()
        self.resume("a new member after the restart of the broker", Member(self, "f"), 18)
        self.commit("restarted")

    def seek(self):
        if "seek" in self.cannot:
            return
        member = self.members[0]
        again = [record for record in member.records if record[0] == 0][-2:]
        before = len(member.records)
        member.tell("seek", 0, again[0][1])

        def probe():
            lacking = [record for record in again if record not in member.records[before:]]
            return "%s lack" % lacking if lacking else None
        eventually("after a seek it reads again from there", probe)


def main():
    client, address = sys.argv[1:]

    def late(*_):
        raise Difference("not done after %d s" % SECONDS_MAX)

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS_MAX)
    code, journey, started = 0, None, time.time()
    try:
        journey = Journey(client, address)
        journey.go()
        print("done group of", client, "in %.0f s" % (time.time() - started), flush=True)
    except SystemExit as end:
        code = end.code
    except Difference as difference:
        print("FAIL", difference, flush=True)
        traceback.print_exc(limit=-4)
        code = 1
    except BaseException:  # also what a client library throws that is no Exception
        print("FAIL", traceback.format_exc(), flush=True)
        code = 1
    for member in journey.members if journey else []:
        if member.alive():
            os.killpg(member.process.pid, signal.SIGKILL)
    os._exit(code)  # not to wait for threads of the library


if __name__ == "__main__":
    main()
