"""The demonstration's processes: real commands, measured from outside, and a cluster that ends with its owner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dgd.errors import ClusterLostError

STOP_SECONDS = 10.0


class CommandFailed(Exception):
    """A command of the demonstration failed; its own message is on stderr."""


def run_measured(module: str, *arguments: str, hear: Callable[[str], object] = str) -> tuple[str, int]:
    """Run `python -m module …`: what it printed, and the most memory it held, as the system counted it (`wait4`).

    hear: is told each line as it is printed.
    """
    # A session of its own: Ctrl-C reaches this process only, which then ends that one.
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert child.stdout is not None
        lines = []
        for line in child.stdout:
            hear(line)
            lines.append(line)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        child.kill()
        child.wait()
        raise
    finally:
        if child.stdout is not None:
            child.stdout.close()
    if child.returncode:
        raise CommandFailed(f"`python -m {module} {' '.join(arguments)}` ended with exit code {child.returncode}")
    return "".join(lines), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Cluster:
    """A running local cluster: its scheduler's address, and the peak memory of each worker so far."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log
        self.scheduler: str = self._answer()["scheduler"]

    def peaks(self) -> list[int]:
        """Bytes, one number a worker."""
        _pipe(self._process.stdin).write("peaks\n")
        _pipe(self._process.stdin).flush()
        found: list[int] = self._answer()["peaks"]
        return found

    def kill(self) -> None:
        """End all its processes at once, as a power cut would."""
        os.killpg(self._process.pid, signal.SIGKILL)

    def _answer(self) -> dict[str, Any]:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise ClusterLostError(f"the local cluster did not start: {self._log.read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def local_cluster(folder: Path, *, workers: int, memory_limit: int) -> Iterator[Cluster]:
    """A cluster of worker processes on 127.0.0.1, stopped at the end whatever happens."""
    log = folder / "cluster.log"
    command = [sys.executable, "-m", "dgd.passes.cluster.local", "--workers", str(workers)]
    command += ["--memory-limit", str(memory_limit), "--folder", str(folder)]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        yield Cluster(process, log)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    """Close its stdin, which ends it; kill the whole session if it does not end soon."""
    _pipe(process.stdin).close()
    try:
        process.wait(STOP_SECONDS)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        _pipe(process.stdout).close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
