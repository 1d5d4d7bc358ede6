"""How every Python client is a member of a group: the lines of `groups/journey.py`.

A client program gives `serve` a class with the methods of `Member`.
"""

import os
import queue
import sys
import threading
import traceback


class Member:
    """What a client library offers; the constructor joins the group."""

    def __init__(self, address, group, topic, protocol): raise NotImplementedError
    def poll(self): raise NotImplementedError  # [(partition, offset, value)], within about 100 ms
    def assigned(self): raise NotImplementedError  # partitions
    def commit(self, metadata): raise NotImplementedError
    def committed(self): raise NotImplementedError  # [(partition, offset, metadata)]
    def seek(self, partition, offset): raise NotImplementedError
    def leave(self): raise NotImplementedError


def say(*words):
    print(*words, flush=True)


def obey(member, words):
    command = words[0]
    if command == "commit":
        member.commit(words[1])
    elif command == "committed":
        for line in member.committed():
            say("committed", *line)
    elif command == "seek":
        member.seek(int(words[1]), int(words[2]))
    elif command == "leave":
        member.leave()
    say("done", command)


def listen(commands):
    for line in sys.stdin:
        commands.put(line.split())
    os._exit(3)  # who started this is gone


def serve(make):
    """Joins the group of the command line and does what it is told."""
    commands, assigned = queue.Queue(), None
    threading.Thread(target=listen, args=(commands,), daemon=True).start()
    try:
        member = make(*sys.argv[1:5])
        while True:
            if not commands.empty():
                words = commands.get()
                obey(member, words)
                if words[0] == "leave":
                    os._exit(0)  # not to wait for threads of the library
            records = member.poll()
            now = sorted(member.assigned())
            if now != assigned:
                assigned = now
                say("assigned", *now)
            for partition, offset, value in records:
                say("record", partition, offset, value.decode())
    except BaseException:  # also what a client library throws that is no Exception
        say("#", traceback.format_exc())
        os._exit(1)
