"""The bench's workloads in DuckDB's SQL on two threads, from the same files: one JSON line with seconds and the value to compare.

    .venv/bin/python duck.py <workload> <input> <second input> <scratch directory> <repeats of warm>

First is the first run in a fresh connection, warm the best of the later ones: there are no closures that other jobs could have
made slower.
"""

import json
import os
import sys
import time

import duckdb

from plain import word_counts

LINES = "read_csv(?, columns = {'line': 'VARCHAR'}, header = false, delim = '\x1f', quote = '', escape = '', auto_detect = false)"
PAIRS = "read_csv(?, columns = {'key': 'INTEGER', 'value': 'INTEGER'}, header = false, delim = ' ', quote = '', escape = '', auto_detect = false)"


def wordcount(run, out, text, _):
    counts = run(
        f"SELECT word, count(*) FROM (SELECT unnest(string_split(line, ' ')) AS word FROM {LINES}) GROUP BY word", text
    )
    return lambda: word_counts(counts)


def grep(run, out, text, _):
    sums = run(f"SELECT count(*), sum(length(line)) FROM {LINES} WHERE regexp_matches(line, '\\bq[a-z]*z\\b')", text)
    return named(sums, "found", "characters")


def sort(run, out, records, _):
    os.makedirs(out)
    target = os.path.join(out, "part-00000")
    run(f"COPY (SELECT line FROM {LINES} ORDER BY line[1:10]) TO '{target}' (HEADER false, DELIMITER '\x1f', QUOTE '', ESCAPE '')", records)
    # The parent checks the file: that is not timed.
    return lambda: {"out": True}


def join(run, out, left, right):
    sums = run(f"SELECT count(*), sum(a.value::BIGINT * b.value) FROM {PAIRS} a JOIN {PAIRS} b USING (key)", left, right)
    return named(sums, "records", "sum")


def group_by_key(run, out, left, _):
    sums = run(
        f"""WITH grouped AS (SELECT key, list(value) AS all_values FROM {PAIRS} GROUP BY key),
            spans AS (SELECT key, len(all_values) AS size, list_max(all_values) - list_min(all_values) AS span FROM grouped)
            SELECT count(*), sum(size), sum(span), sum(span * (key % 1000 + 1)) FROM spans""",
        left,
    )
    return named(sums, "groups", "records", "span", "weighted")


def distinct(run, out, ids, _):
    sums = run(
        f"SELECT count(*), sum(('0x' || line[6:])::BIGINT) FROM (SELECT DISTINCT line FROM {LINES})",
        ids,
    )
    return named(sums, "different", "checksum")


def named(rows, *names):
    return lambda: {name: int(value) for name, value in zip(names, rows[0])}


WORKLOADS = {"wordcount": wordcount, "grep": grep, "sort": sort, "join": join, "groupByKey": group_by_key, "distinct": distinct}

if __name__ == "__main__":
    workload, first, second, scratch, repeats = sys.argv[1:6]
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "6GB", "temp_directory": scratch})

    def run(sql, *paths):
        return connection.execute(sql, paths).fetchall()

    def timed(name):
        started = time.perf_counter()
        used = time.process_time()
        check = WORKLOADS[workload](run, os.path.join(scratch, name), first, second)
        seconds = time.perf_counter() - started
        return seconds, time.process_time() - used, check()

    cold, cpu, value = timed("first")
    warm = float("inf")
    for turn in range(int(repeats)):
        seconds, used, again = timed(f"warm-{turn}")
        if again != value:
            raise SystemExit(f"the warm run gave {again}, the first {value}")
        if seconds < warm:
            warm, cpu = seconds, used
    print(json.dumps({"first": cold, "warm": warm, "cpu": cpu, "shuffleBytes": None, "value": value}))
