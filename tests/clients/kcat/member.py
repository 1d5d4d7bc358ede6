#!/usr/bin/env python3
"""kcat -G as a member of a group: puts what it prints into the lines of `groups/journey.py`.

kcat takes no commands: it commits by itself what it read, and leaves when it is interrupted.
"""

import os
import re
import signal
import subprocess
import sys
import threading


def say(*words):
    # One write for the whole line: several threads say things.
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


def events(kcat):
    """Rebalances are told on standard error: `% Group g rebalanced (memberid m): assigned: t [0], t [1]`."""
    for line in kcat.stderr:
        told = re.search(r"rebalanced \(memberid .*\): (assigned|revoked): (.*)", line)
        if told:
            owned = re.findall(r"\[(\d+)\]", told.group(2)) if told.group(1) == "assigned" else []
            say("assigned", *owned)
        else:
            say("#", line.rstrip())


def commands(kcat):
    for line in sys.stdin:
        if line.split() == ["leave"]:
            kcat.send_signal(signal.SIGINT)
            kcat.wait()
            say("done", "leave")
            os._exit(0)
        say("# kcat does not obey", line.rstrip())
    kcat.kill()
    os._exit(3)  # who started this is gone


def main():
    address, group, topic = sys.argv[1:4]
    settings = {"auto.offset.reset": "earliest", "auto.commit.interval.ms": 200, "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 500, "fetch.wait.max.ms": 100, "reconnect.backoff.max.ms": 500}
    options = [word for key, value in settings.items() for word in ("-X", "%s=%s" % (key, value))]
    kcat = subprocess.Popen(["kcat", "-b", address, "-u", "-f", "record %p %o %s\n", *options, "-G", group, topic],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
    threading.Thread(target=events, args=(kcat,), daemon=True).start()
    threading.Thread(target=commands, args=(kcat,), daemon=True).start()
    for line in kcat.stdout:
        say(line.rstrip("\n"))
    if kcat.wait() not in (0, -signal.SIGINT):
        say("# kcat ended with", kcat.returncode)
        os._exit(1)
    threading.Event().wait(5)  # until `leave` is answered


if __name__ == "__main__":
    main()
