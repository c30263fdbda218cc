"""The command line: what goes to stdout and stderr, the exit codes, and Ctrl-C. Everything else is the library's."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from distributed.comm import CommClosedError

import dgd
import dgd.data.tables.ingest
from dgd.cli import main
from dgd.cli.demo.processes import Cluster, local_cluster
from dgd.cli.failing import exit_code
from dgd.cli.in_options import in_options
from dgd.cli.progress.line import PlainBar
from dgd.cli.progress.passes import done

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

DGD = [sys.executable, "-m", "dgd"]
SLOWLY = """
import sys, time
from dgd.cli import main
from dgd.cli.failing import exit_code
from dgd.data.dataset import Dataset

read = Dataset.read

def slow_read(*arguments):
    print("reading", file=sys.stderr, flush=True)
    time.sleep({seconds})
    return read(*arguments)

Dataset.read = slow_read
sys.exit(main())
"""
ENDLESS = ["--verbose", "--learning-rate", "1e-9", "--tol", "0", "--max-iter", "1000000000", "--threads", "2"]
SOON = 30.0


@dataclass(frozen=True)
class Said:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What stdout holds, if it is JSON without NaN and nothing else."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


Run = Callable[..., Said]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process."""

    def run(*arguments: object) -> Said:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Said(code, *capfd.readouterr())

    return run


@pytest.fixture
def broken(store: str, tmp_path: Path) -> Path:
    """The dataset with one byte of one chunk changed."""
    path = tmp_path / "broken.zarr"
    shutil.copytree(store, path)
    chunk = path / "X" / "c" / "7" / "0"
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(content)
    return path


@pytest.fixture
def model(store: str, tmp_path: Path) -> Path:
    path = tmp_path / "model.dgd"
    dgd.fit(store, max_iter=5).model.save(path)
    return path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with local_cluster(tmp_path_factory.mktemp("cluster"), workers=2, memory_limit=2**30) as running:
        yield running


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command line in a process of its own; with `seconds`, one in which reading a chunk takes that long."""
    with ExitStack() as stack:

        def start(*arguments: object, seconds: float = 0.0, **options: Any) -> subprocess.Popen[str]:
            program = ["-c", SLOWLY.format(seconds=seconds)] if seconds else ["-m", "dgd"]
            given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
            child = stack.enter_context(subprocess.Popen([sys.executable, *program, *map(str, arguments)], **given))
            stack.callback(child.kill)
            return child

        yield start


def read_until(stream: Any, text: str) -> str:
    """The lines of a process up to the one that holds a text."""
    said = ""
    for line in stream:
        said += line
        if text in line:
            return said
    pytest.fail(f"never said {text!r}: {said}")


# ---------------------------------------------------------------- results and progress


def test_a_verbose_fit_prints_the_plan_then_the_passes_on_stderr_and_the_result_on_stdout(run: Run, store: str) -> None:
    said = run("fit", store, "--solver", "gd", "--max-iter", "3", "--threads", "2", "--verbose")
    result = dgd.fit(store, solver="gd", max_iter=3, threads=2)
    assert said.code == 0
    choice, first, reading, *passes = said.err.splitlines()
    assert choice == result.explain() == "solver gd: it was asked for"
    assert first.startswith("1,003 rows × 5 features in 21 chunks; a pass reads ")
    assert re.fullmatch(
        r"files, read directly, by 2 threads; all chunks stay in memory from the first pass on; expect \S+ GB/s, \S+ s "
        r"for a pass that reads all \(measured on 2 chunks\)",
        reading,
    )
    assert [line.split("  ")[2] for line in passes] == ["pass 1", "pass 2", "pass 3"]
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d  \d+ s  "
        r"pass 2  loss \S+  gradient \S+  learning_rate \S+  \S+ M rows/s  0 MB/s  100% in memory(  no step)?",
        passes[1],
    )
    assert f"loss {result.history[1].loss:.6g} " in passes[1]
    assert f"gradient {result.history[1].grad_norm / result.history[0].grad_norm:.1e} " in passes[1]
    own = [line for line in said.out.splitlines() if not line.startswith(("seconds", "threads"))]
    assert own == [line for line in result.summary().splitlines() if not line.startswith(("seconds", "threads"))]


def test_quiet_leaves_stderr_empty(run: Run, store: str) -> None:
    said = run("fit", store, "--max-iter", "3", "--quiet")
    assert (said.code, said.err) == (0, "")


def test_fit_json_is_the_result_with_its_plan(run: Run, store: str, tmp_path: Path) -> None:
    out = tmp_path / "model.dgd"
    said = run("fit", store, "--weight", "weight", "--solver", "gd", "--max-iter", "4", "--out", out, "--json")
    result = dgd.fit(store, weight="weight", solver="gd", max_iter=4)
    assert said.code == 0
    assert said.json["theta"] == result.theta.tolist()
    assert said.json["status"] == "iteration_limit"
    assert len(said.json["history"]) == 4
    assert said.json["plan"]["memory_bytes"] > 0
    assert said.json["model"] == str(out)
    assert dgd.load_model(out).coef.tobytes() == result.coef_.tobytes()


def test_classes_from_the_data_to_the_predictions(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 2))
    y = np.digitize(X[:, 0] + 0.3 * rng.normal(size=90), [-0.5, 0.5])
    with dgd.DatasetWriter(tmp_path / "train.zarr", chunk_rows=20) as writer:
        writer.append(X, y)
    store, out = tmp_path / "train.zarr", tmp_path / "model.dgd"
    said = run("fit", store, "--loss", "softmax", "--l2", "0.01", "--out", out)
    assert said.code == 0
    assert "method        softmax loss + L2(l2=0.01): Newton's method, in " in said.out
    assert re.search(r"^ +0 +1 +2$", said.out, re.MULTILINE)
    verbose = run("fit", store, "--loss", "softmax", "--l2", "0.01", "-v")
    assert verbose.err.startswith("solver newton: softmax loss, 9 parameters: ")
    assert re.search(r"^class +0  1  2$", verbose.out, re.MULTILINE)
    expected = dgd.fit(X, y, loss="softmax", penalty=dgd.penalties.L2(0.01))
    assert run("predict", out, store).out.split() == [str(label) for label in expected.model.predict(X)]
    first = run("predict", out, store, "--probabilities").out.splitlines()[0]
    np.testing.assert_allclose([float(p) for p in first.split()], expected.model.predict_proba(X[:1])[0], rtol=1e-6)
    assert run("score", out, store, "--json").json["accuracy"] == expected.model.score(X, y).accuracy
    assert run("plan", store, "--loss", "softmax").out.startswith("solver          newton: softmax loss, 9 parameters")
    refused = run("fit", store, "--loss", "logistic", "--classes", "0,1")
    assert refused.code == 3
    assert "expects one of the two classes" in refused.err
    assert run("fit", store, "--classes", "0,1").code == 2


def test_a_loss_and_its_parameter(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 2))
    y = np.where(rng.random(90) < 0.3, 0, rng.gamma(2, np.exp(X[:, 0])))
    with dgd.DatasetWriter(tmp_path / "train.zarr") as writer:
        writer.append(X, y)
    store = tmp_path / "train.zarr"
    found = run("fit", store, "--loss", "tweedie:power=1.7", "--json").json
    assert found["theta"] == dgd.fit(X, y, loss=dgd.losses.Tweedie(1.7)).theta.tolist()
    for given, said in [
        ("gauss", "'gauss' is not one of squared, huber,"),
        ("tweedie:p=1.7", "the loss tweedie has no parameter 'p': it has power"),
        ("squared:delta=1", "the loss squared has no parameter 'delta': it has none"),
        ("huber:delta=x", "delta of the loss huber must be a number, as in huber:delta=1.5, got 'x'"),
        ("tweedie:power=2", "must be a number above 1 and below 2, got 2.0"),
    ]:
        refused = run("fit", store, "--loss", given)
        assert refused.code == 2
        assert said in " ".join(refused.err.split())


@pytest.mark.parametrize(("standardize", "reached"), [("yes", True), ("no", False), ("auto", "auto")])
def test_every_option_of_fit_reaches_the_library(
    run: Run, store: str, monkeypatch: pytest.MonkeyPatch, standardize: str, reached: bool | str
) -> None:
    given: dict[str, Any] = {}
    fit = dgd.fitting.fit.fit

    def recording(dataset: Any, **options: Any) -> Any:
        given.update(options, weighted=dataset.weight.name, target=dataset.y.name)
        return fit(dataset, **options)

    monkeypatch.setattr("dgd.fitting.fit.fit", recording)
    words = (
        "--y y --weight weight --loss squared --solver gd --learning-rate 1e-4 --max-iter 7 --tol 0.5 --max-seconds 9 "
        f"--no-intercept --standardize {standardize} --precision single --memory-limit 1.5GiB --threads 1 "
        "--worker-timeout 8 --validation-fraction 0.25 --patience 3 --seed 4 --l1 0.5 --l2 2 --lower -3 --upper 5 "
        "--resident 1MiB --read-timeout 7 --checkpoint-every 9.5"
    )
    assert run("fit", store, *words.split()).code == 0
    given.pop("callbacks")
    penalty, loss = given.pop("penalty"), given.pop("loss")
    assert (loss.name, penalty.l1, penalty.l2, penalty.lower, penalty.upper) == ("squared", 0.5, 2, -3, 5)
    assert given == {
        "target": "y",
        "weighted": "weight",
        "solver": "gd",
        "validation": None,
        "validation_fraction": 0.25,
        "patience": 3,
        "seed": 4,
        "learning_rate": 1e-4,
        "max_iter": 7,
        "tol": 0.5,
        "max_seconds": 9.0,
        "fit_intercept": False,
        "standardize": reached,
        "precision": "single",
        "theta0": None,
        "checkpoint": None,
        "checkpoint_every": 9.5,
        "execution": dgd.Execution(
            threads=1, memory_limit=3 * 2**29, worker_timeout=8.0, read_timeout=7.0, resident=2**20
        ),
    }


def test_a_terminal_gets_one_redrawn_line(start: Start, store: str) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 70, 0, 0))
    dumb = {**os.environ, "TERM": "dumb"}
    child = start("fit", store, "--max-iter", "40", "--learning-rate", "1e-9", "-v", stderr=theirs, env=dumb)
    os.close(theirs)
    out, _ = child.communicate(timeout=SOON)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert child.returncode == 0
    assert out.startswith("status        iteration limit")
    choice, plan, reading, line, end = shown.split("\r\n")
    assert (choice.startswith("solver gd: "), plan.startswith("1,003 rows"), reading[:6], end) == (
        True,
        True,
        "files,",
        "",
    )
    drawings = line.split("\r")[1:]
    assert all(drawing.startswith("[") and drawing.endswith("\x1b[K") for drawing in drawings)
    assert max(len(drawing) for drawing in drawings) <= 69 + len("\x1b[K")
    assert drawings[-1].startswith("[####################] pass 40  loss ")


def test_the_bar_follows_the_passes_or_the_fall_of_the_gradient() -> None:
    assert done(1, 1000, 1.0, 1e-6) == pytest.approx(0.001)
    assert done(1, 1000, 1e-3, 1e-6) == pytest.approx(0.5)
    assert done(999, 1000, 10.0, 0.0) == pytest.approx(0.999)
    assert done(3, 1000, 0.0, 0.0) == 1.0
    bar = PlainBar()
    assert (bar(0.0), bar(0.5), bar(1.0)) == (f"[{' ' * 20}]", f"[{'#' * 10}{' ' * 10}]", f"[{'#' * 20}]")


# ---------------------------------------------------------------- the other commands


def test_plan_tells_the_pace_and_what_stays(run: Run, store: str) -> None:
    said = run("plan", store, "--threads", "2", "--solver", "gd", "--resident", "0")
    assert re.search(
        r"^reading +files, .* no chunk stays in memory; expect \S+ GB/s, \S+ s .*on 2 chunks\)$", said.out, re.M
    )
    figures = run("plan", store, "--solver", "gd", "--json").json
    assert figures["resident_share"] == 1
    assert figures["pace"]["bytes_per_second"] > 0
    assert run("plan", store, "--resident", "much").code == 2


def test_plan_prints_the_table_or_json_of_what_cannot_be_read(run: Run, broken: Path) -> None:
    said = run("plan", broken, "--threads", "2")
    assert (said.code, said.err) == (0, "")
    assert re.search(r"^bytes per pass +\d.*KiB$", said.out, re.M)
    figures = run("plan", broken, "--threads", "2", "--json").json
    assert {"memory_bytes", "bytes_per_pass", "tasks_per_pass"} <= figures.keys()
    assert figures["tasks_per_pass"] == dgd.plan(broken, threads=2).tasks_per_pass


def test_a_plan_that_does_not_fit_is_printed_and_refused(run: Run, store: str) -> None:
    for arguments in (["plan", store], ["plan", store, "--json"]):
        said = run(*arguments, "--memory-limit", "1MiB")
        assert said.code == 2
        assert "memory" in said.out
        assert re.fullmatch(r"error: the fit needs .* MiB in each process and 1 MiB is allowed: .*\n", said.err)
    said = run("fit", store, "--memory-limit", "1MiB")
    assert (said.code, said.out) == (2, "")
    assert "pass 1" not in said.err


def test_predict_prints_a_number_a_line_or_writes_an_array(
    run: Run, store: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgd.cli.predict.LINES", 100)
    expected = dgd.load_model(model).predict(store)
    assert expected is not None
    said = run("predict", model, store)
    assert said.code == 0
    assert [float(line) for line in said.out.splitlines()] == expected.tolist()
    assert run("predict", model, store, "--json").json == {"predictions": expected.tolist()}
    out = tmp_path / "predictions.zarr"
    said = run("predict", model, store, "--out", out)
    assert (said.code, said.out, said.err) == (0, "", f"predictions written to {out}\n")
    assert zarr.open_array(out, mode="r")[:].tolist() == expected.tolist()
    assert run("predict", model, store, "--out", out).code == 2
    assert run("predict", model, store, "--out", out, "--overwrite", "--json").json == {"out": str(out)}


def test_score_prints_the_figures(run: Run, store: str, model: Path) -> None:
    expected = dgd.load_model(model).score(store, weight="weight")
    said = run("score", model, store, "--weight", "weight", "--json")
    assert said.code == 0
    names = ("mse", "rmse", "mae", "r2", "rows", "rows_left_out", "loss", "deviance", "d2", "uncentered_r2")
    assert said.json == {name: getattr(expected, name) for name in names}
    lines = run("score", model, store, "--weight", "weight").out.splitlines()
    assert lines[0] == f"mse   {expected.mse:.12g}"


def test_score_of_a_constant_target_is_still_json(run: Run, model: Path, tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "constant.zarr") as writer:
        writer.append(np.zeros((3, 5)), np.ones(3))
    assert run("score", model, tmp_path / "constant.zarr", "--json").json["r2"] is None


def test_info_prints_the_description(run: Run, store: str) -> None:
    said = run("info", store)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{dgd.info(store).table()}\n"
    assert run("info", store, "--json").json == dgd.info(store).as_json()


def test_ingest_then_fit(run: Run, tmp_path: Path) -> None:
    table, out = tmp_path / "table.csv", tmp_path / "out.zarr"
    table.write_text('a,"b,c",unused,w,t\n1,2,9,1,5\n2,1,9,1,4\n3,5,9,2,13\n4,1,9,1,6\n')
    options = ["--target", "t", "--features", '"b,c", a', "--weight", "w", "--dtype", "float32"]
    said = run("ingest", table, *options, out)
    assert said.code == 0
    assert said.out == f"{out}: 4 rows × 2 features, target t\nfeatures: b,c, a\nweights: w\n"
    dataset = dgd.open_dataset(str(out))
    assert (dataset.feature_names, dataset.dtype) == (("b,c", "a"), np.dtype("float32"))
    fitted = run("fit", out, "--tol", "1e-12", "--json").json
    assert fitted["coef"] == pytest.approx([2, 1])
    again = run("ingest", table, *options, out, "--overwrite", "--json").json
    assert (again["rows"], again["features"], again["path"]) == (4, ["b,c", "a"], str(out))


def test_an_interrupted_ingest_is_repeated_by_the_command_the_error_quotes(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    table, out = folder / "it's.csv", folder / "out.zarr"
    rows = "1,2,3\n" * 250_000
    table.write_text(f'a,"b,c",t\n{rows}1,oops,3\n')
    options = ["--target", "t", "--features", 'a,"b,c"', "--chunk-rows", "125000", "--compression", "zstd"]
    said = run("ingest", table, *options, out)
    assert said.code == 3
    assert "oops" in said.err
    refused = run("fit", out)
    assert refused.code == 3
    found = re.search(r"dgd ingest .*out\.zarr'?", refused.err)
    assert found, refused.err
    table.write_text(f'a,"b,c",t\n{rows}1,4,3\n')
    words = shlex.split(found[0])
    assert words[0] == "dgd"
    assert run(*words[1:]).code == 0
    dataset = dgd.open_dataset(str(out))
    assert (dataset.shape, dataset.n_chunks, dataset.feature_names) == ((250_001, 2), 3, ("a", "b,c"))
    assert zarr.open_array(out / "X", mode="r").metadata.to_dict()["codecs"][1]["name"] == "zstd"


# ---------------------------------------------------------------- exit codes


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Usage: dgd"),
        (["nonsense"], "error: No such command"),
        (["fit"], "error: Missing argument 'STORE'"),
        (["fit", "{store}", "--nonsense"], "error: No such option"),
        (["fit", "{store}", "--memory-limit", "2 parsecs"], "error: Invalid value for '--memory-limit'"),
        (["fit", "{store}", "--learning-rate", "fast"], "error: Invalid value for '--learning-rate'"),
        (["fit", "{store}", "--learning-rate", "-1"], "error: --learning-rate must be a positive number"),
        (["fit", "{store}", "--max-iter", "0"], "error: --max-iter must be a whole number of 1 or more"),
        (["fit", "{store}", "--threads", "2", "--scheduler", "tcp://a:1"], "error: --scheduler and --threads exclude"),
        (["fit", "{store}", "--scheduler", "nonsense"], "error: 'nonsense' is not the address of a scheduler"),
        (["fit", "{store}", "--scheduler-file", "/nowhere"], "error: /nowhere is not a scheduler file"),
        (["fit", "{store}", "--out", "{store}/zarr.json/model.dgd"], "error: nothing can be written into"),
        (["ingest", "{store}/zarr.json", "--target", "t", "{tmp}/out.zarr"], "error: "),
        (["demo", "--folder", "/nowhere"], "error: /nowhere is not a folder"),
        (["demo", "--size", "900TiB"], "error: the demonstration writes 900 TiB and"),
    ],
)
def test_usage_errors_end_with_2(
    run: Run, store: str, model: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    said = run(*(argument.format(store=store, model=model, tmp=tmp_path) for argument in arguments))
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fit", "{tmp}/nothing.zarr"], "nothing.zarr"),
        (["plan", "{tmp}/nothing.zarr"], "nothing.zarr"),
        (["info", "{tmp}/nothing.zarr"], "nothing.zarr"),
        (["fit", "{model}/coef.npy"], "the shell reads a group of arrays X and y, as `zarr.save_group` writes it"),
        (["fit", "{store}", "--y", "z"], "'z'"),
        (["fit", "{broken}"], "chunk"),
        (["score", "{model}", "{broken}"], "chunk"),
        (["predict", "{model}", "{broken}"], "chunk"),
        (["predict", "{tmp}/nothing.dgd", "{store}"], "nothing.dgd"),
        (["score", "{tmp}/nothing.dgd", "{store}"], "nothing.dgd"),
        (["ingest", "{tmp}/nothing.csv", "--target", "t", "{tmp}/out.zarr"], "nothing.csv"),
    ],
)
def test_data_errors_end_with_3_in_one_line(
    run: Run, store: str, broken: Path, model: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    said = run(*(argument.format(store=store, broken=broken, model=model, tmp=tmp_path) for argument in arguments))
    assert (said.code, said.out) == (3, "")
    *_, last = said.err.splitlines()
    assert last.startswith("error: ")
    assert says in last
    assert "Traceback" not in said.err


def test_not_converged_ends_with_4_where_convergence_is_required(run: Run, store: str) -> None:
    assert run("fit", store, "--solver", "gd", "--max-iter", "2").code == 0
    said = run("fit", store, "--solver", "gd", "--max-iter", "2", "--require-convergence")
    assert said.code == 4
    assert "iteration limit" in said.out
    assert run("fit", store, "--tol", "0.1", "--require-convergence").code == 0


def test_divergence_ends_with_6_and_saves_no_model(run: Run, store: str, tmp_path: Path) -> None:
    out = tmp_path / "model.dgd"
    for more in ([], ["--require-convergence"]):
        said = run("fit", store, "--learning-rate", "1", "--out", out, "--json", *more)
        assert said.code == 6
        assert (said.json["status"], said.json["model"]) == ("diverged", None)
        assert "no model is saved" in said.err
        assert not out.exists()


def test_an_existing_model_is_refused_before_the_fit(
    run: Run, store: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dgd.load_model(model).coef
    other = tmp_path / "precious"
    other.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("dgd.fitting.fit.fit", lambda *_, **__: pytest.fail("a pass was spent"))
        assert run("fit", store, "--out", model).code == 2
        assert run("fit", store, "--out", other, "--overwrite").code == 2
        assert run("fit", store, "--out", model / "model.json" / "model.dgd").code == 2
    assert run("fit", store, "--out", model, "--overwrite", "--l2", "1").code == 0
    assert dgd.load_model(model).coef.tobytes() != before.tobytes()


def test_a_model_that_cannot_be_saved_does_not_hide_the_result(
    run: Run, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dgd.Model, "save", full)
    said = run("fit", store, "--max-iter", "2", "--out", tmp_path / "model.dgd")
    assert said.code == 3
    assert said.out.startswith("data  ")
    assert said.err.splitlines()[-1] == "error: [Errno 28] No space left on device"


def test_a_bug_ends_with_1_and_its_traceback(store: str) -> None:
    program = f"""
import sys
import dgd.fitting.fit
from dgd.cli import main
from dgd.cli.failing import exit_code
dgd.fitting.fit.fit = lambda *_, **__: 1 / 0
sys.exit(main(["fit", {store!r}]))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "ZeroDivisionError" in ended.stderr


def test_an_error_of_the_network_is_a_lost_cluster_and_one_of_the_disk_is_not() -> None:
    assert exit_code(CommClosedError("in the middle of a pass")) == 5
    assert exit_code(PermissionError(13, "Permission denied")) == 3


@pytest.mark.slow
def test_a_terminal_that_lacks_a_letter_gets_a_question_mark(start: Start, store: str) -> None:
    child = start("plan", store, env={**os.environ, "PYTHONIOENCODING": "koi8-r"})
    out, err = child.communicate(timeout=SOON)
    assert (child.returncode, err) == (0, "")
    assert "1,003 rows ? 5 features" in out


def test_version_and_the_module_run_as_a_program() -> None:
    ended = subprocess.run([*DGD, "--version"], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"dgd {dgd.__version__}\n", "")


@pytest.mark.each(2)
@pytest.mark.parametrize("arguments", [["predict", "{model}", "{store}"], ["fit", "--help"]])
def test_a_closed_pipe_is_no_error_worth_a_word(start: Start, arguments: list[str], store: str, model: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    child = start(*(argument.format(model=model, store=store) for argument in arguments), stdout=write)
    os.close(write)
    _, err = child.communicate(timeout=SOON)
    assert (child.returncode, err) == (141, "")


# ---------------------------------------------------------------- signals


@pytest.mark.each(2)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_stops_after_the_pass_and_prints_what_was_reached(
    start: Start, store: str, tmp_path: Path, number: int, code: int
) -> None:
    out = tmp_path / "model.dgd"
    child = start("fit", store, *ENDLESS, "--out", out, "--json")
    read_until(child.stderr, "pass 3")
    child.send_signal(number)
    printed, err = child.communicate(timeout=SOON)
    assert child.returncode == code
    result = Said(code, printed, err).json
    assert result["status"] == "interrupted"
    assert len(result["history"]) == result["n_iter"] >= 3
    assert "stopping after this pass" in err
    assert f"model saved to {out}, as far as it was reached (interrupted)" in err
    assert dgd.load_model(out).coef.tolist() == result["coef"]


def test_two_signals_end_a_fit_at_once_even_in_a_read_that_hangs(start: Start, store: str) -> None:
    child = start("fit", store, "--threads", "2", seconds=1000)
    read_until(child.stderr, "reading")
    child.send_signal(signal.SIGINT)
    read_until(child.stderr, "stopping after this pass")
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=SOON)
    assert time.monotonic() - began < 2
    assert (child.returncode, out) == (130, "")
    assert "stopped at once" in err
    assert "Traceback" not in err


@pytest.mark.each(2)
@pytest.mark.parametrize(("seconds", "signals", "says"), [(0.5, 1, "stopped"), (1000, 2, "stopped at once")])
def test_other_commands_stop_at_the_first_signal(
    start: Start, store: str, model: Path, seconds: float, signals: int, says: str
) -> None:
    child = start("score", model, store, "--threads", "1", seconds=seconds)
    read_until(child.stderr, "reading")
    time.sleep(0.3)  # until the main thread, too, waits for the one that reads
    for _ in range(signals):
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        time.sleep(0.5)
    out, err = child.communicate(timeout=SOON)
    assert (child.returncode, out) == (130, "")
    assert set(err.split("\n")) - {"reading", ""} == {says}


# ---------------------------------------------------------------- clusters


@pytest.mark.slow
def test_a_scheduler_by_address_or_file_gives_the_same_bits(
    run: Run, store: str, cluster: Cluster, tmp_path: Path, model: Path
) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": cluster.scheduler}))
    expected = run("fit", store, "--max-iter", "4", "--json").json["theta"]
    for where in (["--scheduler", cluster.scheduler], ["--scheduler-file", file]):
        said = run("fit", store, *where, "--max-iter", "4", "--json")
        assert said.code == 0
        assert said.json["plan"]["processes"] == 2
        assert said.json["theta"] == expected
    assert run("plan", store, "--scheduler", cluster.scheduler, "--json").json["processes"] == 2
    out = tmp_path / "predictions.zarr"
    assert run("predict", model, store, "--scheduler", cluster.scheduler, "--out", out).code == 0
    assert zarr.open_array(out, mode="r").shape == (1003,)


@pytest.mark.slow
def test_one_signal_stops_a_fit_on_a_cluster_after_the_pass(start: Start, store: str, two_workers: Any) -> None:
    child = start("fit", store, "--scheduler-file", two_workers.file, *ENDLESS[:-2], "--json")
    read_until(child.stderr, "pass 3")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=SOON)
    assert child.returncode == 130, err
    assert Said(130, out, err).json["status"] == "interrupted"
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.each(2)
@pytest.mark.parametrize("command", ["fit", "plan"])
def test_a_scheduler_that_does_not_answer_ends_with_5(start: Start, command: str, store: str) -> None:
    began = time.monotonic()
    child = start(command, store, "--scheduler", "tcp://127.0.0.1:9", "--worker-timeout", "1")
    out, err = child.communicate(timeout=SOON)
    assert time.monotonic() - began < 25  # of which a loaded machine takes ten to start; a client of Dask would wait 30
    assert (child.returncode, out) == (5, "")
    assert re.fullmatch(r"error: no scheduler answers at tcp://127\.0\.0\.1:9 within 1 s .*\n", err)


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100])
def test_something_else_at_the_address_ends_with_5_and_one_line(start: Start, store: str, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = start(
            "fit", store, "--scheduler", f"tcp://127.0.0.1:{server.getsockname()[1]}", "--worker-timeout", "1"
        )
        connection, _ = server.accept()
        with connection:
            connection.sendall(answer)
            out, err = child.communicate(timeout=SOON)
    assert (child.returncode, out) == (5, "")
    assert re.fullmatch(r"error: no scheduler answers at .*\n", err)


@pytest.mark.slow
def test_a_cluster_that_dies_ends_with_5_and_one_line(start: Start, store: str, tmp_path: Path) -> None:
    with local_cluster(tmp_path, workers=1, memory_limit=2**30) as doomed:
        child = start("fit", store, "--scheduler", doomed.scheduler, *ENDLESS[:-2], "--worker-timeout", "2")
        read_until(child.stderr, "pass 3")
        doomed.kill()
        began = time.monotonic()
        out, err = child.communicate(timeout=SOON)
    assert time.monotonic() - began < 20
    assert (child.returncode, out) == (5, "")
    *passes, last = err.splitlines()
    assert last.startswith("error: ")
    assert all("  pass " in line for line in passes), err


# ---------------------------------------------------------------- memory


@pytest.mark.slow
def test_the_plan_is_kept(tmp_path: Path) -> None:
    """Peak memory of a fit of 240 MiB stays within 10 % of what `dgd plan` says, which `dgd fit` says too."""
    store = tmp_path / "large.zarr"
    rng = np.random.default_rng(3)
    with dgd.DatasetWriter(store) as writer:
        for _ in range(60):
            X = rng.random((2**14, 64), dtype=np.float32)
            writer.append(X, X.sum(axis=1, dtype=np.float64))
    planned = subprocess.run([*DGD, "plan", store, "--threads", "2", "--json"], capture_output=True, check=True)
    memory_bytes = json.loads(planned.stdout)["memory_bytes"]
    # Measured from a small process: a child begins with the peak of the process that started it.
    program = (
        "import json; from dgd.cli.demo.processes import run_measured\n"
        f"print(json.dumps(run_measured('dgd', 'fit', {str(store)!r}, '--threads', '2', '--json', '--tol', '1e-3')))"
    )
    fitted = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    output, peak = json.loads(fitted.stdout)
    bytes_per_pass = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    assert bytes_per_pass > 2 * memory_bytes
    assert abs(json.loads(output)["plan"]["memory_bytes"] - memory_bytes) < 4 * 2**20
    assert peak <= 1.10 * memory_bytes
    assert peak >= 0.5 * memory_bytes


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("`fit(tol=...)` must be a number", "--tol must be a number"),
        ("give another path, or overwrite=True to replace it", "give another path, or --overwrite to replace it"),
        ("use solver='lbfgs' or solver='newton'", "use --solver lbfgs or --solver newton"),
        (
            "`fit(learning_rate=0.1)` does not go with solver='newton'",
            "--learning-rate 0.1 does not go with --solver newton",
        ),
        ("`L1(l1=...)` must be a number of 0 or more", "--l1 must be a number of 0 or more"),
        ("give `resident` 3 MiB or less", "give --resident 3 MiB or less"),
        ("fit with standardize=True", "fit with --standardize yes"),
        ("leave them out: drop=['Date Egg', 'b']", "leave them out: --drop 'Date Egg,b'"),
        ("`Softmax(classes=[...])`, `client=...` and a=5", "`Softmax(classes=[...])`, `client=...` and a=5"),
    ],
)
def test_a_shell_is_told_options(said: str, told: str) -> None:
    assert in_options(said) == told
