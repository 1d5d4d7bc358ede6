"""The two Python programs of README.md, as they stand there but for the address: readme.py HOST:PORT.

The producer must end by itself; the consumer goes on for ever, and must print the ten orders. Both use the kafka-python that
this program would import.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ADDRESS = "127.0.0.1:9092"
SECONDS_MAX = 60

folder = tempfile.mkdtemp()
started = []


def end(code, *what):
    """Ends at once, with the programs that were started."""
    for process in started:
        process.kill()
    shutil.rmtree(folder, ignore_errors=True)
    print(*what, flush=True)
    os._exit(code)


def fail(what):
    end(1, "FAIL", what)


def programs(address):
    """Writes the programs of README.md to the folder, by the names in their first lines."""
    with open(os.path.join(HERE, "..", "..", "..", "README.md")) as readme:
        blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", readme.read(), re.DOTALL)
    for name, text in blocks:
        if text.count(ADDRESS) != 1:
            fail("%s does not name %s once" % (name, ADDRESS))
        with open(os.path.join(folder, name), "w") as file:
            file.write(text.replace(ADDRESS, address))
    names = [name for name, _ in blocks]
    if names != ["producer.py", "consumer.py"]:
        fail("README.md has the programs %s" % names)


def start(name, **more):
    process = subprocess.Popen([sys.executable, "-u", "-W", "ignore", os.path.join(folder, name)], text=True, **more)
    started.append(process)
    return process


def main():
    programs(sys.argv[1])
    late = threading.Timer(SECONDS_MAX, fail, ["not done after %d s" % SECONDS_MAX])
    late.daemon = True
    late.start()
    if start("producer.py").wait() != 0:
        fail("producer.py failed")
    print("ok producer.py wrote ten orders", flush=True)
    consumer = start("consumer.py", stdout=subprocess.PIPE)
    expected = sorted(str({"order": i, "price": i * 1.5}) for i in range(10))
    got = [consumer.stdout.readline().rstrip("\n").split(" ", 2) for _ in range(10)]
    if sorted(line[-1] for line in got) != expected:
        fail("consumer.py printed %s" % got)
    print("ok consumer.py printed them", flush=True)
    end(0, "done readme")


if __name__ == "__main__":
    main()
