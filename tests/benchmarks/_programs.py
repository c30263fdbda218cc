"""Programs of other packages, run each in a process of its own: their environment, their time, their memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENVIRONMENT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dgd-benchmarks" / "peers"
COMMON = ("numpy==2.4.6", "zarr==3.1.6", "scikit-learn==1.9.1")
DASK_ML = ("dask-ml==2025.1.0", "dask-glm==0.4.0", "dask==2026.8.0", "distributed==2026.8.0")
REQUIREMENTS = {
    "dask-ml": DASK_ML,
    "spark": ("pyspark==4.3.0", "pyarrow==26.0.1"),
    "sklearnex": ("scikit-learn-intelex==2026.2.0",),
    "glum": ("glum==3.4.1",),
    "xgboost": ("xgboost-cpu==3.2.0",),
    "vowpal-wabbit": ("vowpalwabbit==9.11.9",),
    "torch": ("torch==2.13.0",),
    "polars": ("polars==2.1.0", "pyarrow==26.0.1"),
    "duckdb": ("duckdb==2.0.1", "pyarrow==26.0.1"),
}
INSTALL_SECONDS = 300
EVERY = 0.05
"""Seconds between two looks at the memory."""


def install(environment: Path, peers: Sequence[str]) -> tuple[Path, dict[str, str]]:
    """The environment's Python, and the peers that could not be installed, with the reason; what is there stays."""
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(environment, with_pip=True)
    missing = {}
    for name in ("common", *REQUIREMENTS):
        wanted = COMMON + REQUIREMENTS.get(name, ())
        mark = environment / f"{name}.installed"
        if name not in {"common", *peers} or (mark.exists() and mark.read_text() == "\n".join(wanted)):
            continue
        print(f"peers: installing {' '.join(wanted)}", file=sys.stderr, flush=True)
        command = [python, "-m", "pip", "install", "-q", *wanted]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            missing[name] = f"not done after {INSTALL_SECONDS} s"
            continue
        if done.returncode:
            missing[name] = last_line(done.stderr)
        else:
            mark.write_text("\n".join(wanted))
    return python, missing


def ran(program: Path, settings: Mapping[str, Any], python: Path, *, cwd: Path, limit: float) -> dict[str, Any]:
    """The JSON that a program prints last, with `peak`, bytes; with a note alone if it failed or its time was over."""
    ours = {"PYTHONPATH": str(ROOT)} if python == Path(sys.executable) else {}
    # Dask's processes and the JVM are in its session, so that they end with it.
    process = subprocess.Popen(
        [python, program, json.dumps(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ours, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=cwd,
        start_new_session=True,
    )
    memory = Memory(process.pid)
    try:
        out, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return so_far(process.communicate()[0], memory, f"not done after {limit:.0f} s")
    finally:
        memory.end()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    if process.returncode:
        return {"note": f"failed: {last_line(errors)}"}
    found: dict[str, Any] = json.loads(out.splitlines()[-1]) if out.strip() else {}
    return {**found, "peak": memory.peak}


def so_far(out: str, memory: Memory, note: str) -> dict[str, Any]:
    """What a program that was ended had printed by then, if anything."""
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if not lines:
        return {"note": note}
    found: dict[str, Any] = json.loads(lines[-1])
    return {**found, "peak": memory.peak, "note": f"{found['note']}; {note}"}


class Memory:
    """The most memory that the processes of a session held together; file pages that can be dropped do not count."""

    def __init__(self, session: int) -> None:
        self.session = session
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no further."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            self.peak = max(self.peak, sum(held(pid) for pid in members(self.session)))


def members(session: int) -> list[str]:
    """The processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):
            if stat.read_text().rpartition(")")[2].split()[3] == str(session):
                found.append(stat.parent.name)
    return found


def held(pid: str) -> int:
    """Bytes of memory that a process holds of its own or shared."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon", "RssShmem")))
    return 0


def last_line(text: str) -> str:
    """The line of an error that says what happened, shortened."""
    lines = [line.strip() for line in text.splitlines() if "Error" in line or "Exception" in line]
    return (lines or text.strip().splitlines() or ["no reason given"])[-1][:160]


@contextmanager
def two_cores() -> Iterator[None]:
    """This process and what it starts on two cores, where the system lets one choose."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:2])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def seconds_left(until: float) -> float:
    """Until a time of the monotonic clock."""
    return until - time.monotonic()
