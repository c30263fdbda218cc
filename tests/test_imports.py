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
    "scipy",
    "joblib",
    "pyarrow",
    "crc32c",
    "psutil",
    "fsspec",
    "xarray",
    "pandas",
    "matplotlib",
    "rich",
}
MODULES = 350
SECONDS = 0.3
ATTEMPTS = 10

HELP = """
from dgd.cli import main
for arguments in {arguments!r}:
    assert main(arguments) == 0
"""
COMMANDS = [
    "demo",
    "ingest",
    "copy",
    "info",
    "plan",
    "fit",
    "summarize",
    "resume",
    "predict",
    "score",
    "deploy",
    "doctor",
    "config",
    "guide",
]
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


@pytest.mark.each(1)
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


def test_every_public_name_is_there_in_a_fresh_process_and_nothing_else() -> None:
    program = """
import types, dgd
assert dir(dgd) == sorted(dgd.__all__)
for name in dgd.__all__:
    value = getattr(dgd, name)
for name in ("fit", "plan", "predict", "predict_to", "score", "open_dataset", "load_model", "ingest", "info"):
    assert type(getattr(dgd, name)) is types.FunctionType, name
for name in ("losses", "penalties", "solvers", "estimators", "testing", "errors"):
    assert type(getattr(dgd, name)) is types.ModuleType, name
try:
    dgd.nothing
except AttributeError as error:
    assert "no attribute 'nothing'" in str(error)
"""
    imported(program)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["dgd.fitting.fit", "dgd.models.score", "dgd.passes.plan", "dgd.cli.fit"])
def test_no_module_hides_a_function(first: str) -> None:
    program = f"import dgd, {first}\nfor name in ('fit', 'plan', 'score'): assert callable(getattr(dgd, name))"
    imported(program)


def test_a_function_of_dgd_can_be_patched_and_what_mentions_dgd_can_be_sent_to_dask() -> None:
    """A function, a lambda and a loss of a notebook, whose `__main__` is pickled by value."""
    program = """
from unittest import mock
import dgd, dgd.fitting.fit
for name in ("fit", "plan", "score"):
    assert callable(getattr(dgd, name))
with mock.patch("dgd.fit", return_value=7):
    assert dgd.fit() == 7
assert dgd.fit.__module__ == "dgd.fitting.fit"
import pickle, cloudpickle, numpy as np
from dgd.losses import Squared
def fitted(X, y):
    return dgd.fit(X, y, threads=1).theta
class Twice(Squared):
    name = "twice"
    def value(self, raw_prediction, y):
        return 2 * super().value(raw_prediction, y) + 0 * len(dgd.__version__)
X, y = np.arange(6.0)[:, None], np.arange(6.0)
for made in (fitted, lambda X, y: dgd.fit(X, y, threads=1).theta, Twice()):
    sent = pickle.loads(cloudpickle.dumps(made))
    theta = dgd.fit(X, y, loss=sent, threads=1).theta if isinstance(made, Twice) else sent(X, y)
    assert abs(theta - [0, 1]).max() < 1e-9
"""
    subprocess.run([sys.executable, "-c", program], check=True)
