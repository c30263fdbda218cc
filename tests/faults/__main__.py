"""`python -m tests.faults [names…]`"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from tests.faults.rows import ROWS, Row

FILES = ("clusters", "clocks", "tls", "data", "writing", "strangers", "soak")
ROOT = Path(__file__).parent.parent.parent
SEEN = "seen: "


def main() -> int:
    """0 if everything that was seen is as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Inject faults, and tell what is seen.")
    parser.add_argument("names", nargs="*", help="rows of these names, F7-gone with F7 [all]")
    parser.add_argument("--list", action="store_true", help="name the rows, and run none")
    parser.add_argument("--here", metavar="ROW", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in FILES:
        import_module(f"tests.faults.{name}")
    if options.here is not None:
        inject_here(ROWS[options.here])
        return 0
    rows = [
        row for row in ROWS.values() if not options.names or {row.name, row.name.partition("-")[0]} & {*options.names}
    ]
    if options.list:
        print("\n".join(f"{row.name:<14}{row.fault}" for row in rows))
        return 0
    return run_all(rows)


def inject_here(row: Row) -> None:
    """One row in this process; the last line that it prints says what was seen."""
    with tempfile.TemporaryDirectory(prefix=f"dgd-fault-{row.name}-", ignore_cleanup_errors=True) as folder:
        print(f"{SEEN}{row.inject(Path(folder))}", flush=True)


def run_all(rows: list[Row]) -> int:
    """Each row in a process of its own, then the count."""
    began, bad = time.monotonic(), []
    for row in rows:
        started = time.monotonic()
        seen = run_alone(row)
        good = seen.startswith(row.expected)
        bad += [] if good else [row.name]
        print(
            f"{'ok ' if good else 'NO '} {row.name:<14}{row.fault}\n"
            f"      expected  {row.expected}\n"
            f"      at first  {row.before}\n"
            f"      now       {seen}  [{time.monotonic() - started:.1f} s]",
            flush=True,
        )
    print(f"{len(rows) - len(bad)} of {len(rows)} as expected, {time.monotonic() - began:.0f} s", *bad, sep="  ")
    return 1 if bad else 0


def run_alone(row: Row) -> str:
    """What a process of its own saw, at most for the row's seconds."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults", "--here", row.name],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=row.seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"nothing within {row.seconds:g} s: it hangs"
    seen = [line.removeprefix(SEEN) for line in out.splitlines() if line.startswith(SEEN)]
    return (
        seen[-1]
        if seen
        else f"it ended with code {process.returncode}: {(err.strip().splitlines() or ['?'])[-1][:200]}"
    )


if __name__ == "__main__":
    sys.exit(main())
