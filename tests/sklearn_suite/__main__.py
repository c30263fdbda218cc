"""`python -m tests.sklearn_suite [--only FILE] [--inside]`: scikit-learn's own tests, with dgd's classes.

Each test file is run with seven of scikit-learn's classes replaced by dgd's before it is imported, as they are: nothing
is supplied that a test wants. What counts are the tests in which one of them is made or fitted, and which do not skip
themselves. `remaining.json` names those that fail, each with its reason. 0 if the share that passes is at least 0.85
and each failure is named. --inside runs the tests of stacking, voting, calibration and the like instead.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

import sklearn

from tests.sklearn_suite.outcomes import FILES, INSIDE, LEAST, Outcomes, named, outcomes_of, version


def main() -> int:
    """What the command returns."""
    parser = argparse.ArgumentParser(prog="python -m tests.sklearn_suite", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], choices=sorted({**FILES, **INSIDE}), help="a file; repeatable [all]"
    )
    parser.add_argument("--jobs", type=int, default=2, help="files that are run at a time [2]")
    parser.add_argument("--inside", action="store_true", help="the tests of what has an estimator inside")
    options = parser.parse_args()
    files = options.only or list(INSIDE if options.inside else FILES)
    if sklearn.__version__ != version():
        print(f"the failures are named for scikit-learn {version()}, and this is {sklearn.__version__}")
    with ThreadPoolExecutor(options.jobs) as pool:
        found = dict(zip(files, pool.map(outcomes_of, files), strict=True))
    print(f"scikit-learn {sklearn.__version__}\n{'file':<33}{'applies':>8}{'passed':>8}{'failed':>8}{'named':>7}")
    for file, outcomes in found.items():
        print(_row(file, outcomes))
    total = Outcomes.of(found.values())
    print(_row("sum", total), f"{total.share:8.1%}")
    for test in sorted(total.failed - set(named())):
        print(f"not named: {test}\n    {total.messages[test][:300]}")
    for test in sorted(total.passed & set(named())):
        print(f"named, and passes: {test}")
    return int(total.share < LEAST or bool(total.failed - set(named())))


def _row(name: str, outcomes: Outcomes) -> str:
    failed, known = len(outcomes.failed), len(outcomes.failed & set(named()))
    passed = len(outcomes.passed)
    return f"{name:<33}{passed + failed:>8}{passed:>8}{failed:>8}{known:>7}"


if __name__ == "__main__":
    sys.exit(main())
