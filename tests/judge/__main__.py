"""`python -m tests.judge --seconds 600`"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter

from tests.judge.problems import problem
from tests.judge.verdict import judge

BAD = {"wrong", "crashed", "not ended", "bounds violated"}


def main() -> int:
    """0 if no verdict was bad."""
    parser = argparse.ArgumentParser(prog="python -m tests.judge", description="Judge fits of random problems.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="one problem, and no other")
    options = parser.parse_args()
    if options.seed is not None:
        one = problem(options.seed)
        result = one.fit()
        print(f"{one}\n{result.summary()}\n{judge(one)}")
        return 0
    counts: Counter[str] = Counter()
    end = time.monotonic() + options.seconds
    for seed in itertools.count(options.first):
        if time.monotonic() > end:
            break
        one = problem(seed)
        verdict, why = judge(one)
        counts[verdict] += 1
        if verdict in BAD or verdict == "refused":
            print(f"{verdict}: seed {seed}: {one}\n    {why}", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) + f"; of {sum(counts.values())}")
    return int(any(counts[verdict] for verdict in BAD))


if __name__ == "__main__":
    raise SystemExit(main())
