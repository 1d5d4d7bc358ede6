#!/usr/bin/env python3
"""Sums the samples of a `perf record -g` of the broker by stage of a request.

usage: stages.py PERF_DATA [REQUESTS_PER_SECOND SECONDS]

A sample counts for the first stage below whose function appears anywhere in its call chain. The binary must have been
built with frame pointers (RUSTFLAGS="-C force-frame-pointers=yes"). Prints per cent of all samples, and with a request
rate and the length of the recording also microseconds a request (perf's default clock, one sample a millisecond).
"""
import collections
import re
import subprocess
import sys

STAGES = [
    ("flush (kernel worker)", r"io_wq_worker|ret_from_fork"),
    ("receive", r"sys_recvfrom|libc_recv|Stream::(try_read|poll_read)"),
    ("send", r"sys_sendmsg"),
    ("write: submit to the device", r"io_write\b|blk_finish_plug|__blk_flush_plug|blk_mq_"),
    ("copy into the aligned buffer", r"AlignedBuf::build"),
    ("checksum", r"verify_crc"),
    ("check the batch", r"check_produced"),
    ("plan and account a write", r"Log::(take_write|complete_write)|start_write_if_idle"),
    ("answer: encode", r"ResponseHead::fill|PendingProduce.*::appended|one_less"),
    ("stage", r"Partition::(step|append|place|stage)|Log::stage"),
    ("decode and route", r"produce::start|Request::(parse|decode)|Handler>::handle"),
    ("fetch: plan and read", r"log::(read|view)|shard::fetch|api::fetch"),
    ("runtime: rings, timers, wake-ups", r"glommio::(sys|reactor|parking|iou)|io_uring|schedule"),
    ("memory", r"mi_|exc_page_fault"),
]


def main() -> None:
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    script = subprocess.run(["perf", "script", "-i", sys.argv[1], "-F", "comm,ip,sym"], capture_output=True, text=True, check=True)
    counts: collections.Counter[str] = collections.Counter()
    for block in script.stdout.split("\n\n"):
        chain = "\n".join(block.split("\n")[1:])
        if chain.strip():
            counts[next((name for name, pattern in STAGES if re.search(pattern, chain)), "everything else")] += 1
    total = sum(counts.values())
    requests = float(sys.argv[2]) * float(sys.argv[3]) if len(sys.argv) == 4 else None
    for name in [name for name, _ in STAGES] + ["everything else"]:
        if counts[name]:
            us = f"{counts[name] * 1000 / requests:9.2f} us a request" if requests else ""
            print(f"{name:34} {100 * counts[name] / total:5.1f} % {us}")
    print(f"{'samples':34} {total}")


if __name__ == "__main__":
    main()
