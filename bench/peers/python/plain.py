"""The bench's workloads as plain scripts in one Python process: one JSON line with seconds and the value to compare.

    python3 plain.py <workload> <input> <second input>
"""

import hashlib
import json
import re
import sys
import time
from collections import Counter, defaultdict


def lines(path):
    with open(path, encoding="latin-1") as file:
        for line in file:
            yield line.rstrip("\n")


def pairs(path):
    for line in lines(path):
        key, value = line.split(" ")
        yield int(key), int(value)


def wordcount(text, _):
    counts = Counter()
    for line in lines(text):
        counts.update(line.split(" "))
    return lambda: word_counts(counts.items())


def word_counts(counts):
    digest = hashlib.sha256()
    for line in sorted(f"{word} {count}\n" for word, count in counts):
        digest.update(line.encode("latin-1"))
    return {"words": sum(count for _, count in counts), "distinct": len(counts), "digest": digest.hexdigest()}


def grep(text, _):
    search = re.compile(r"\bq[a-z]*z\b").search
    found = characters = 0
    for line in lines(text):
        if search(line):
            found += 1
            characters += len(line)
    return lambda: {"found": found, "characters": characters}


def join(left, right):
    weights = dict(pairs(right))
    records = total = 0
    for key, value in pairs(left):
        weight = weights.get(key)
        if weight is not None:
            records += 1
            total += value * weight
    return lambda: {"records": records, "sum": total}


def group_by_key(left, _):
    groups = defaultdict(list)
    for key, value in pairs(left):
        groups[key].append(value)
    records = span = weighted = 0
    for key, values in groups.items():
        width = max(values) - min(values)
        records += len(values)
        span += width
        weighted += width * (key % 1_000 + 1)
    return lambda: {"groups": len(groups), "records": records, "span": span, "weighted": weighted}


def distinct(ids, _):
    different = set(lines(ids))
    checksum = sum(int(name[5:], 16) for name in different)
    return lambda: {"different": len(different), "checksum": checksum}


WORKLOADS = {"wordcount": wordcount, "grep": grep, "join": join, "groupByKey": group_by_key, "distinct": distinct}

if __name__ == "__main__":
    workload, first, second = sys.argv[1:4]
    started = time.perf_counter()
    used = time.process_time()
    check = WORKLOADS[workload](first, second)
    seconds = time.perf_counter() - started
    cpu = time.process_time() - used
    print(json.dumps({"first": seconds, "warm": None, "cpu": cpu, "shuffleBytes": None, "value": check()}))
