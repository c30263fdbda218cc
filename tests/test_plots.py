"""Displays: what they hold is what was found, and they draw it where they are told to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.errors import ConfigurationError


@pytest.fixture
def fitted() -> tuple[Any, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(500, 3))
    y = X @ [1.0, -2.0, 0.0] + rng.normal(size=500)
    return dgd.fit(X, y, loss="huber", threads=1), X, y


class Axes:
    """Axes that remember what is drawn."""

    figure = "figure"

    def __init__(self) -> None:
        self.drawn: dict[str, tuple[Any, ...]] = {}

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: self.drawn.__setitem__(name, arguments)


def test_passes(fitted: Any, tmp_path: Path) -> None:
    ax, (result, X, y) = Axes(), fitted
    shown = dgd.plots.PassesDisplay.from_result(result, ax=ax)
    assert shown.ax_ is ax
    assert shown.figure_ == "figure"
    assert ax.drawn["plot"][1].tolist() == [record.loss for record in result.history]
    shown.plot(show="gradient", by="second", ax=ax)
    assert ax.drawn["semilogy"][1].tolist() == [record.grad_norm for record in result.history]
    assert ax.drawn["semilogy"][0][-1] == pytest.approx(result.seconds)
    path = tmp_path / "run.jsonl"
    again = dgd.fit(X, y, loss="huber", threads=1, callbacks=[dgd.callbacks.Events(path)])
    assert dgd.plots.PassesDisplay.from_events(path, ax=Axes()).loss.tolist() == [r.loss for r in again.history]
    with pytest.raises(ConfigurationError, match="show"):
        shown.plot(show="gradients", ax=ax)


def test_coefficients(fitted: Any) -> None:
    ax, (result, _, _) = Axes(), fitted
    shown = dgd.plots.CoefficientsDisplay.from_result(result, most=2, ax=ax)
    assert shown.names == ("x0", "x1")
    assert shown.lower is None
    assert "hlines" not in ax.drawn
    inference = result.inference()
    shown = dgd.plots.CoefficientsDisplay.from_model(inference.model, conf=0.95, ax=ax)
    assert shown.lower is not None
    assert shown.upper is not None
    np.testing.assert_allclose(np.stack([shown.lower, shown.upper], axis=1), inference.intervals[1:], rtol=1e-9)


def test_residuals(fitted: Any) -> None:
    ax, (result, X, y) = Axes(), fitted
    shown = dgd.plots.ResidualsDisplay.from_model(result, X, y, ax=ax, threads=1)
    heights, edges = ax.drawn["stairs"]
    residuals = y - result.predict(X)
    counts = np.histogram(residuals, edges)[0] / len(y)
    np.testing.assert_allclose(heights, counts, atol=3 / len(y))
    shown.plot(kind="by_prediction", ax=ax)
    assert ax.drawn["plot"][1].mean() == pytest.approx(y.mean(), abs=0.05)
    classes = dgd.fit(X, (y > 0).astype(float), loss="logistic", threads=1)
    with pytest.raises(ConfigurationError, match="a report of others"):
        dgd.plots.ResidualsDisplay.from_model(classes, X, y, ax=ax)


def test_without_matplotlib_the_way_out_is_said(fitted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigurationError, match="pip install 'dgd\\[plots\\]'"):
        dgd.plots.PassesDisplay.from_result(fitted[0])


def test_they_draw_with_matplotlib(fitted: Any, tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    result, X, y = fitted
    for shown in (
        dgd.plots.PassesDisplay.from_result(result),
        dgd.plots.PassesDisplay.from_result(result, show="gradient", by="second"),
        dgd.plots.CoefficientsDisplay.from_model(result.inference().model),
        dgd.plots.ResidualsDisplay.from_model(result, X, y, threads=1),
        dgd.plots.ResidualsDisplay.from_model(result, X, y, kind="by_prediction", threads=1),
    ):
        shown.figure_.savefig(tmp_path / "plot.png")
        assert (tmp_path / "plot.png").stat().st_size > 5_000
        pyplot.close(shown.figure_)
