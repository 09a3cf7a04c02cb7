"""Word count in one Python process, for the bench: prints one JSON line with seconds and the value to compare."""

import hashlib
import json
import sys
import time
from collections import Counter

started = time.perf_counter()
counts = Counter()
with open(sys.argv[1], encoding="latin-1") as file:
    for line in file:
        counts.update(line.rstrip("\n").split(" "))
seconds = time.perf_counter() - started
digest = hashlib.sha256()
for line in sorted(f"{word} {count}\n" for word, count in counts.items()):
    digest.update(line.encode("latin-1"))
value = {"words": sum(counts.values()), "distinct": len(counts), "digest": digest.hexdigest()}
print(json.dumps({"first": seconds, "warm": None, "shuffleBytes": None, "value": value}))
