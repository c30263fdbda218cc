"""The example callbacks for MLflow and TensorBoard, run against fakes that take what the real ones take."""

from __future__ import annotations

import math
import runpy
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from conftest import EXAMPLES

import dgd


class Calls(types.ModuleType):
    """A module that remembers what was called, in order."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments: Any, **options: Any) -> None:
            self.calls.append((name, arguments, options))
            if name == "log_artifacts":
                assert dgd.load_model(Path(arguments[0], "model.dgd")).n_features == 5

        return call

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments, _ in self.calls if called == name]


def test_mlflow(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake = Calls("mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    runpy.run_path(str(EXAMPLES / "to_mlflow.py"), run_name="__main__")
    passes = int(capsys.readouterr().out.split()[0])
    assert [name for name, *_ in fake.calls[:3]] == ["set_experiment", "start_run", "log_params"]
    assert fake.of("log_params")[0][0]["loss"] == "logistic"
    assert [options["step"] for name, _, options in fake.calls if name == "log_metrics"] == [*range(1, passes + 1)]
    for (metrics,) in fake.of("log_metrics"):
        assert {"loss", "grad_norm", "seconds", "bytes_read"} == metrics.keys()
        assert all(math.isfinite(value) for value in metrics.values())
    assert fake.of("set_tag") == [("dgd.status", "converged")]
    assert len(fake.of("log_artifacts")) == 1
    assert fake.calls[-1][:2] == ("end_run", ("FINISHED",))


def test_a_failed_fit_is_a_failed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Calls("mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    callback = runpy.run_path(str(EXAMPLES / "to_mlflow.py"))["ToMLflow"]("test")

    def failing(record: dgd.Record) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        dgd.fit([[1.0], [2.0], [4.0]], [1.0, 2.0, 3.0], threads=1, callbacks=[callback, failing])
    assert fake.calls[-1][:2] == ("end_run", ("FAILED",))


def test_tensorboard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    writer = Calls("writer")
    fake = types.ModuleType("tensorboardX")
    fake.SummaryWriter = lambda folder: writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorboardX", fake)
    runpy.run_path(str(EXAMPLES / "to_tensorboard.py"), run_name="__main__")
    passes = int(capsys.readouterr().out.split()[0])
    losses = [(step, value) for name, value, step in writer.of("add_scalar") if name == "loss/train"]
    assert [step for step, _ in losses] == [*range(1, passes + 1)]
    assert losses[-1][1] < losses[0][1]
    assert len(writer.of("add_histogram")) == passes
    assert writer.calls[-1][0] == "close"
    assert "rows: 10000" in writer.of("add_text")[0][1]
