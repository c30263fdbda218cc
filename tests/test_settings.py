"""Settings: options before variables before Dask's configuration before defaults, and nothing that changes a result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import dask
import pytest

import dgd
from dgd.cli import main
from dgd.cli.fit import fit
from dgd.cli.guide import page
from dgd.errors import ConfigurationError, PlanError
from dgd.passes.cluster.dask_settings import folders
from dgd.passes.settings import SETTINGS, value_of


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("DGD_", "DASK_DGD"))]:
        monkeypatch.delenv(name)


def shown(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """Value, source and place of each setting."""
    assert main(["config", "show", "--json", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    return {each["name"]: (each["value"], each["source"], each["where"]) for each in document["settings"]} | {
        "unknown": document["unknown"]
    }


def test_each_source_comes_before_the_next(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys)["threads"] == (None, "default", "default")
    with dask.config.set({"dgd.threads": 3, "dgd.require-tls": True}):
        assert shown(capsys)["threads"] == (3, "dask", "dask.config.set")
        assert shown(capsys)["require_tls"] == (True, "dask", "dask.config.set")
        monkeypatch.setenv("DGD_THREADS", "2")
        monkeypatch.setenv("DGD_REQUIRE_TLS", "no")
        assert shown(capsys)["threads"] == (2, "environment", "DGD_THREADS")
        assert shown(capsys)["require_tls"] == (False, "environment", "DGD_REQUIRE_TLS")
        assert shown(capsys, "--threads", "1")["threads"] == (1, "option", "--threads")
        monkeypatch.setenv("DGD_THREADS", "")
        assert shown(capsys)["threads"] == (3, "dask", "dask.config.set")
    assert shown(capsys, "--memory-limit", "2GiB")["memory_limit"] == (2**31, "option", "--memory-limit")
    assert shown(capsys, "--quiet")["quiet"] == (True, "option", "--quiet")


def test_files_and_variables_of_dask_are_named(tmp_path: Path) -> None:
    file = tmp_path / "dgd.yaml"
    file.write_text("dgd:\n  worker-timeout: 900\n  resident: 1GiB\n  thread: 3\n")
    environment = {**os.environ, "DASK_CONFIG": str(tmp_path), "DASK_DGD__READ_TIMEOUT": "9", "DGD_MEMORY": "1"}
    command = [sys.executable, "-m", "dgd", "config", "show"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^worker_timeout +900 +{re.escape(str(file))}$", ran, re.MULTILINE)
    assert re.search(rf"^resident +{2**30} +{re.escape(str(file))}$", ran, re.MULTILINE)
    assert re.search(r"^read_timeout +9 +DASK_DGD__READ_TIMEOUT$", ran, re.MULTILINE)
    assert ran.endswith("no settings of dgd: DGD_MEMORY, dgd.thread\n")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("threads", "two", "a whole number of 1 or more"),
        ("threads", "0", "a whole number of 1 or more"),
        ("memory_limit", "much", "a size, like 2GiB"),
        ("resident", "-1", "auto, 0 or a size, like 2GiB"),
        ("worker_timeout", "0", "a number of seconds above 0"),
        ("read_timeout", "nan", "a number of seconds above 0"),
        ("same_bits", "maybe", "report or require"),
        ("require_tls", "perhaps", "true or false"),
        ("checkpoint_every", "never", "a number of seconds above 0, or pass"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_source(
    name: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"DGD_{name.upper()}"
    with dask.config.set({f"dgd.{name}": value}), pytest.raises(ConfigurationError) as by_dask:
        value_of(name)
    assert str(by_dask.value) == f"dgd.{name.replace('_', '-')} in dask.config.set={value}: expected {expected}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as by_variable:
        value_of(name)
    assert str(by_variable.value) == f"{variable}={value}: expected {expected}"


@pytest.mark.parametrize("value", [True, 1.5, [2], "2.0"])
def test_threads_of_yaml_are_whole_numbers(value: object) -> None:
    with dask.config.set({"dgd.threads": value}), pytest.raises(ConfigurationError, match="expected a whole number"):
        value_of("threads")


def test_calls_of_python_take_them(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    monkeypatch.setenv("DGD_WORKER_TIMEOUT", "7")
    monkeypatch.setenv("DGD_RESIDENT", "0")
    monkeypatch.setenv("DGD_THREADS", "1")
    assert (dgd.Execution().worker_timeout, dgd.Execution().resident) == (7, 0)
    assert dgd.Execution(worker_timeout=8).worker_timeout == 8
    assert dgd.plan(store).threads == 1
    assert dgd.Execution().on_threads().threads == 1
    monkeypatch.setenv("DGD_MEMORY_LIMIT", "1MiB")
    with pytest.raises(PlanError, match=r"1 MiB is allowed"):
        dgd.fit(store)
    assert dgd.plan(store, execution=dgd.Execution(memory_limit=2**40)).memory_limit == 2**40


def test_the_shell_takes_them(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DGD_THREADS", "two")
    assert main(["plan", store, "--json"]) == 2
    said = capsys.readouterr()
    assert "error: DGD_THREADS=two: expected a whole number of 1 or more" in said.err
    assert json.loads(said.out)["error"]["kind"] == "ConfigurationError"
    assert main(["plan", store, "--json", "--threads", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["threads"] == 1
    monkeypatch.setenv("DGD_THREADS", "1")
    monkeypatch.setenv("DGD_MEMORY_LIMIT", "900GiB")
    assert main(["plan", store, "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert (planned["threads"], planned["memory_limit"]) == (1, 900 * 2**30)
    monkeypatch.setenv("DGD_VERBOSE", "1")
    assert main(["fit", store]) == 0
    assert "certificate" in capsys.readouterr().out
    monkeypatch.setenv("DGD_QUIET", "1")
    monkeypatch.setenv("DGD_LOG", str(tmp_path / "log"))
    assert main(["fit", store]) == 0
    assert capsys.readouterr().err == ""
    assert f"fit {store}" in (tmp_path / "log").read_text()


def test_a_scheduler_by_a_setting_is_told_of(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DGD_SCHEDULER", "tcp://127.0.0.1:9")
    monkeypatch.setenv("DGD_WORKER_TIMEOUT", "0.2")
    assert main(["plan", store]) == 5
    said = capsys.readouterr().err
    assert "runs on the cluster of tcp://127.0.0.1:9, as DGD_SCHEDULER says" in said
    assert "no scheduler answers at tcp://127.0.0.1:9 within 0.2 s" in said
    assert main(["plan", store, "--threads", "1"]) == 0
    assert capsys.readouterr().err == ""
    with dask.config.set({"dgd.scheduler-file": str(tmp_path / "none.json")}):
        assert main(["plan", store]) == 5  # a variable comes before Dask's configuration
    capsys.readouterr()
    monkeypatch.setenv("DGD_SCHEDULER_FILE", str(tmp_path / "none.json"))
    assert main(["plan", store]) == 2
    assert "DGD_SCHEDULER and DGD_SCHEDULER_FILE exclude each other" in capsys.readouterr().err
    monkeypatch.delenv("DGD_SCHEDULER")
    assert main(["plan", store]) == 2
    assert "none.json is not a scheduler file" in capsys.readouterr().err


def test_python_takes_no_cluster_by_a_setting(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGD_SCHEDULER", "tcp://127.0.0.1:9")
    assert dgd.plan(store).kind == "threads"


def test_nothing_that_decides_a_result_can_be_set(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    decide = {"loss", "l1", "l2", "tol", "precision", "max_iter", "solver", "seed", "standardize", "checkpoint", "out"}
    assert not decide & SETTINGS.keys()
    before = dgd.fit(store).theta
    for name in decide:
        monkeypatch.setenv(f"DGD_{name.upper()}", "0.5")
    assert (dgd.fit(store).theta == before).all()
    assert main(["fit", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["theta"] == before.tolist()
    assert shown(capsys)["unknown"] == sorted(f"DGD_{name.upper()}" for name in decide)


def test_every_setting_is_an_option_and_in_the_guide() -> None:
    options = {param.name: param for param in fit.params if isinstance(param, click.Option)}
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+?) \| .+ \| (.+) \|$", page("settings"), re.MULTILINE)
    assert [row[:2] for row in rows] == [(setting.name, setting.variable) for setting in SETTINGS.values()]
    for (name, _, default, takes), setting in zip(rows, SETTINGS.values(), strict=True):
        assert f"--{name.replace('_', '-')}" in options[name].opts
        assert setting.default is None or default == str(setting.default).lower().removesuffix(".0")
        assert takes == ("shell, Python" if setting.library else "shell")


def test_the_table_of_the_guide_is_what_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DGD_THREADS", "1")
    assert main(["config", "show", "--read-timeout", "30"]) == 0
    assert capsys.readouterr().out in page("settings")


def test_completion_does_not_mind_a_bad_setting(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGD_THREADS", "two")
    monkeypatch.setenv("DGD_RESIDENT", "much")
    assert fit.make_context("dgd fit", [store], resilient_parsing=True).params["resident"] == "auto"


def test_dask_is_asked_only_where_it_has_something_to_say() -> None:
    program = """
import sys
import numpy as np, dgd
from dgd.passes.cluster.dask_settings import folders
dgd.fit(np.ones((5, 1)), np.arange(5.0), threads=1)
assert "dask" not in sys.modules
found = folders()
import dask
assert found == dask.config.paths, (found, dask.config.paths)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert folders()
