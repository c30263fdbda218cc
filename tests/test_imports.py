"""What starting costs: `import dgd` and `dgd --help` load nothing heavy, in little time."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = {
    "zarr",
    "numcodecs",
    "dask",
    "distributed",
    "sklearn",
    "pyarrow",
    "google_crc32c",
    "fsspec",
    "xarray",
    "pandas",
}
MODULES = 330
SECONDS = 0.3
ATTEMPTS = 10

HELP = """
from dgd.cli import main
for arguments in {arguments!r}:
    assert main(arguments) == 0
"""
COMMANDS = ["demo", "ingest", "info", "plan", "fit", "predict", "score"]
PROGRAMS = {
    "import dgd": "import dgd",
    "dgd --help": HELP.format(arguments=[["--help"]]),
    "dgd --version": HELP.format(arguments=[["--version"]]),
    "dgd COMMAND --help": HELP.format(arguments=[[command, "--help"] for command in COMMANDS]),
}


def imported(program: str) -> set[str]:
    """The modules a fresh interpreter holds after a program."""
    report = "\nimport json, sys\nprint(json.dumps(list(sys.modules)), file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", program + report], capture_output=True, text=True, check=True)
    return set(json.loads(run.stderr))


def user_seconds(program: str) -> float:
    """The CPU time a fresh interpreter spends on a program, in user mode."""
    with open(os.devnull, "w") as nowhere:
        child = subprocess.Popen([sys.executable, "-c", program], stdout=nowhere)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return usage.ru_utime


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_heavy_is_imported(name: str) -> None:
    modules = imported(PROGRAMS[name])
    assert not {module.partition(".")[0] for module in modules} & HEAVY
    assert ("numpy" in modules) == (name == "dgd COMMAND --help")
    assert "numpy.random" not in modules
    assert ("click" in modules) == name.startswith("dgd ")
    assert len(modules) <= MODULES


@pytest.mark.parametrize("name", ["import dgd", "dgd --help"])
def test_starting_takes_little_time(name: str) -> None:
    # Several attempts: what a neighbour on the same processor costs is not the program's.
    assert any(user_seconds(PROGRAMS[name]) < SECONDS for _ in range(ATTEMPTS))


@pytest.mark.parametrize("first", ["dgd", "dgd.fit", "dgd.plan", "dgd.fitting.result", "dgd.api", "dgd.cli.demo"])
def test_functions_are_not_hidden_by_modules_of_their_names(first: str) -> None:
    program = (
        f"import dgd, {first}\nfor name in ('fit', 'plan'): assert type(getattr(dgd, name)).__name__ == 'function'"
    )
    assert "zarr" not in imported(program)


def test_every_public_name_is_there() -> None:
    assert imported(
        "import dgd\nassert all(hasattr(dgd, name) for name in dgd.__all__) and set(dgd.__all__) <= set(dir(dgd))"
    )
