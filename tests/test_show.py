"""`dgd show`, and what a command line is helped with: near names, groups of options, completion, errors as JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import dgd
from dgd.cli import COMMANDS, commands, main
from dgd.cli.grouped import GROUPS, REST

BIN = Path(sys.executable).parent
ASK = {
    "bash": 'eval "$(_DGD_COMPLETE=bash_source dgd)"; complete -p dgd; COMP_WORDS=(dgd sh); COMP_CWORD=1; '
    'COMPREPLY=(); _dgd_completion dgd sh; echo "${COMPREPLY[@]}"',
    "zsh": 'autoload -U compinit; compinit -u -D; eval "$(_DGD_COMPLETE=zsh_source dgd)"; echo ${_comps[dgd]}; '
    'COMP_WORDS="dgd sh" COMP_CWORD=1 _DGD_COMPLETE=zsh_complete dgd',
    "fish": "_DGD_COMPLETE=fish_source dgd | source; complete -C 'dgd sh'",
}


def said(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capfd.readouterr()
    code = main([str(argument) for argument in arguments])
    return code, *capfd.readouterr()


@pytest.fixture(scope="module")
def saved(store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "m.dgd"
    assert main(["fit", store, "--inference", "--quiet", "--out", str(path)]) == 0
    return path


def test_a_model_is_shown(saved: Path, store: str, capfd: pytest.CaptureFixture[str]) -> None:
    model, inference = dgd.load_model(saved), dgd.fit(store).inference()
    code, out, err = said(capfd, "show", saved)
    facts, table = out.split("\n\n")
    assert (code, err) == (0, "")
    assert facts.splitlines()[:3] == [
        "predicts      t from 5 columns", "loss          squared", f"fitted to     1,003 rows of {store}",
    ]  # fmt: skip
    assert "covariance    classical" in facts
    assert [line.split()[0] for line in table.splitlines()] == ["coefficient", "intercept", *"abcde"]
    found: Any = json.loads(said(capfd, "show", saved, "--json")[1])
    assert [row["coefficient"] for row in found["coefficients"]] == [model.intercept, *model.coef]
    np.testing.assert_allclose([row["std_err"] for row in found["coefficients"]], inference.standard_errors, rtol=1e-9)
    assert found["provenance"] == model.provenance
    rows = list(csv.reader(io.StringIO(said(capfd, "show", saved, "--to", "csv")[1])))
    assert [float(row[1]) for row in rows[1:]] == [model.intercept, *model.coef]
    assert said(capfd, "show", saved, "--to", "markdown")[1].startswith("|  | coefficient | std_err |")


def test_coefficients_are_sorted_and_chosen(saved: Path, capfd: pytest.CaptureFixture[str]) -> None:
    coef = dgd.load_model(saved).coef

    def names(*options: object) -> list[str]:
        found: Any = json.loads(said(capfd, "show", saved, "--json", *options)[1])
        return [row["name"] for row in found["coefficients"]]

    largest = [*np.array(list("abcde"))[np.argsort(-abs(coef))]]
    assert names("--sort", "size") == ["intercept", *largest]
    assert names("--sort", "size", "--top", 2) == ["intercept", *largest[:2]]
    assert names("--match", "[ab]", "--match", "e") == ["a", "b", "e"]
    code, out, err = said(capfd, "show", saved, "--match", "z*")
    assert (code, out) == (2, "")
    assert "no coefficient that --match z* fits" in err


def test_a_command_that_is_nearly_one_is_guessed(capfd: pytest.CaptureFixture[str]) -> None:
    for typed, meant in [("fti", "fit"), ("predcit", "predict"), ("ingset", "ingest")]:
        code, _, err = said(capfd, typed)
        assert code == 2
        assert f"No such command '{typed}'. Did you mean {meant}" in err
    assert "Did you mean" not in said(capfd, "zzzzzz")[2]


@pytest.mark.parametrize("name", ["fit", "resume", "cv", "predict", "copy", "report"])
def test_options_are_listed_in_groups_and_each_once(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capfd, name, "--help")
    assert code == 0
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    for param in command.params:
        if isinstance(param, click.Option):
            listed = [line for line in out.splitlines() if line.startswith("  -") and param.opts[-1] in line.split()]
            listed += [line for line in out.splitlines() if line.startswith("  -") and f"{param.opts[-1]}," in line]
            assert listed, param.name
        else:
            assert f"  {param.human_readable_name}" not in out.splitlines(), "an argument among the options"
    titles = [line.rstrip(":") for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == [title for title in [*GROUPS, REST] if title in titles]
    if name == "fit":
        assert titles == [*GROUPS, REST]
        grouped = {each for names in GROUPS.values() for each in names}
        rest = {str(param.name) for param in command.params if isinstance(param, click.Option)} - grouped
        assert rest == {"out", "overwrite", "verbose", "order", "require_convergence", "as_json"}


@pytest.mark.parametrize("shell", [shell for shell in ASK if shutil.which(shell)])
def test_a_shell_completes_commands(shell: str, tmp_path: Path) -> None:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    ran = subprocess.run(
        [shell, *options, "-c", ASK[shell]],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        cwd=tmp_path,
    )
    assert "show" in ran.stdout, ran
    assert "score" not in ran.stdout


@pytest.mark.each(2)
@pytest.mark.parametrize(
    ("words", "number", "completed"),
    [
        ("dgd fit tr", 2, "file,tr"),
        ("dgd fit x --out m", 4, "file,m"),
        ("dgd fit x --solver new", 4, "plain,newton"),
        ("dgd doctor tr", 2, "file,tr"),
        ("dgd do", 1, "plain,doctor"),
        ("dgd config sh", 2, "plain,show"),
    ],
)
def test_what_takes_a_path_is_completed_by_the_shell(words: str, number: int, completed: str) -> None:
    surroundings = {"_DGD_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    ran = subprocess.run(
        [sys.executable, "-m", "dgd"], env={**os.environ, **surroundings}, capture_output=True, text=True
    )
    assert ran.stdout.strip() == completed


def test_errors_are_json_where_json_is_asked_for(store: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.zarr"
    shutil.copytree(store, broken)
    chunk = broken / "X" / "c" / "7" / "0"
    chunk.write_bytes(bytes(byte ^ 1 for byte in chunk.read_bytes()))
    code, out, err = said(capfd, "fit", broken, "--json", "--threads", "1")
    found: Any = json.loads(out)["error"]
    assert (code, found["code"], found["kind"]) == (3, 3, "CorruptChunkError")
    assert err.rstrip().endswith(found["message"])
    assert found["array"] == "X"
    assert str(found["chunk"]) in ("7", "X/c/7/0", "c/7/0")
    assert found["rows"] is None or found["rows"] == [350, 400]
    for arguments, expected in [
        (["fit", "--json"], "UsageError"),
        (["fit", store, "--json", "--tol", "-1"], "ConfigurationError"),
        (["show", tmp_path / "nothing", "--json"], "ModelError"),
    ]:
        code, out, err = said(capfd, *arguments)
        found = json.loads(out)["error"]
        assert found["code"] == code
        assert expected in found["kind"] or found["kind"] == "MissingParameter"
        assert err.startswith("error: ")
    # A plan that does not fit is printed: there is no second document beside it.
    code, out, _ = said(capfd, "plan", store, "--json", "--memory-limit", "1MiB")
    assert (code, "memory_bytes" in json.loads(out)) == (2, True)


def test_every_command_has_a_line() -> None:
    assert all(commands.get_command(click.Context(commands), name) is not None for name in COMMANDS)
