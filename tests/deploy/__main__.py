"""`python -m tests.deploy [names…] [--install]`"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.leftovers import Surroundings

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
NOT_RUN = 77
SECONDS = 1200.0
TAIL = 12


@dataclass(frozen=True)
class Ran:
    """What a script did: its verdict, its seconds and its last line."""

    name: str
    verdict: str
    seconds: float
    last: str


def names() -> list[str]:
    """The folders that have a smoke script."""
    return sorted(path.parent.name for path in DEPLOY.glob("*/smoke"))


def run(name: str, *, install: bool, seconds: float = SECONDS) -> Ran:
    """Run a script, print the end of its output, and say how it ended; what leaves a process has failed."""
    with tempfile.TemporaryDirectory(prefix="dgd-deploy-") as folder:
        around = Surroundings(Path(folder))
        ran = _run(name, around, install=install, seconds=seconds)
        left = [f"process {process.pid}, {process.name()}" for process in around.processes()]
        around.kill()
    return Ran(name, "FAILED", ran.seconds, f"left behind: {', '.join(left)}") if left else ran


def _run(name: str, around: Surroundings, *, install: bool, seconds: float) -> Ran:
    began = time.monotonic()
    process = subprocess.Popen(
        # A shell's background jobs ignore SIGINT, and what they start does so too: no script could be told Ctrl-C.
        ["env", "--default-signal=INT,HUP", str(DEPLOY / name / "smoke"), *(["--install"] if install else [])],
        env=environment(around),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        output, _ = process.communicate()
        output += f"\nFAILED: not ended after {seconds:g} s"
    lines = output.strip().splitlines() or [""]
    print(f"── {name}", *lines[-TAIL:], sep="\n   ", flush=True)
    verdict = {0: "OK", NOT_RUN: "NOT RUN"}.get(process.returncode, "FAILED")
    return Ran(name, verdict, time.monotonic() - began, lines[-1].partition(": ")[2])


def environment(around: Surroundings) -> dict[str, str]:
    """With this Python, and this dgd, found first."""
    modules = os.pathsep.join([str(DEPLOY.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**around.environment, "PYTHONPATH": modules}


def main() -> int:
    """0 if none has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy", description="Run the smoke scripts of deploy/.")
    parser.add_argument("names", nargs="*", choices=[*names(), []], help="of these folders [all]")
    parser.add_argument("--install", action="store_true", help="get what is lacking by apt-get and pip")
    options = parser.parse_args()
    ran = [run(name, install=options.install) for name in options.names or names()]
    print()
    for each in ran:
        print(f"{each.name:<12}{each.verdict:<9}{each.seconds:6.0f} s  {each.last}")
    return 1 if any(each.verdict == "FAILED" for each in ran) else 0


if __name__ == "__main__":
    sys.exit(main())
