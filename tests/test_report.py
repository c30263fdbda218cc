"""Reports: one file that needs nothing else, inert whatever it is made of, with figures that are those of an oracle."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import two_in_this_process
from sklearn import metrics

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError, DatasetNotFoundError, WriteError
from dgd.errors.markup import table
from dgd.fitting.report.charts import Axis, Line, cell_map, interval_chart, line_chart
from dgd.models.diagnose import diagnose
from dgd.models.scoring.diagnosis import Diagnosis
from dgd.passes.execution import Execution

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "br"}
ROWS, CHUNK = 2_030, 100


class Tags(HTMLParser):
    """The tags, attributes and texts of a page; every tag has its end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def check_inert(text: str) -> Tags:
    found = Tags(text)
    assert not {"script", "iframe", "object", "embed", "link", "img", "a", "form"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("href", "src", "xlink:href")]
    assert "http://" not in text
    assert "https://" not in text
    assert "nan" not in "".join(value for name, value in found.attributes if name in ("cx", "points", "x1", "y"))
    return found


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(ROWS, 3))
    return X, X @ [1.0, -2.0, 0.5] + rng.normal(size=ROWS)


@pytest.fixture(scope="module")
def store(rows: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """With one chunk of targets in another unit, and a column name that is a program."""
    path = tmp_path_factory.mktemp("report") / "train.zarr"
    X, y = rows[0], rows[1].copy()
    y[7 * CHUNK : 8 * CHUNK] *= 100
    with dgd.DatasetWriter(path, chunk_rows=CHUNK, feature_names=["a", EVIL, "\x1b]0;title\x07"]) as writer:
        writer.append(X, y)
    return str(path)


def diagnosed(model: Any, X: Any, y: Any, **options: Any) -> Diagnosis:
    return diagnose(model, X, y, execution=Execution(**options), reading={})


def test_of_everything_it_is_one_inert_file(store: str, tmp_path: Path) -> None:
    run = tmp_path / "run.jsonl"
    result = dgd.fit(store, loss="huber", threads=1, callbacks=[dgd.callbacks.Events(run)])
    model = result.inference("HC0").model
    out = dgd.report(model, store, run=run, out=tmp_path / "report.html", title=f"of {EVIL}", threads=1)
    found = check_inert(out.read_text())
    assert EVIL in found.texts  # shown, and not run
    assert "\x1b" not in out.read_text()
    headings = [text for text in found.texts if text in ("The fit", "Passes", "Time", "Coefficients")]
    assert headings[:3] == ["The fit", "Passes", "Time"]
    charts = [value for name, value in found.attributes if name == "aria-label"]
    assert "Coefficients, 95% intervals (HC0)" in charts
    assert {"Loss by pass", "Gradient norm by second", "Residuals y − ŷ", "Mean target by prediction"} <= set(charts)
    assert "stands out" in found.texts
    assert f"{7 * CHUNK:,} to {8 * CHUNK:,}" in found.texts
    assert ("http-equiv", "Content-Security-Policy") in found.attributes


def test_numbers_are_rounded_and_aligned_and_what_there_is_not_is_left_out(store: str, tmp_path: Path) -> None:
    model = dgd.fit(store, threads=1).model
    text = dgd.report(model, store, out=tmp_path / "r.html", threads=1).read_text()
    found = check_inert(text)
    assert f"{ROWS:,}" in found.texts
    assert not {"NoPenalty()", "rows left out"} & set(found.texts)
    assert f"{model.provenance['loss_value']:.8g}" in found.texts
    assert max(map(len, re.findall(r">[-\d.]+<", text))) <= 15
    assert "1 thread<" in text
    assert table([("a", 1), ("b", "-2.5e-07"), ("and more",)], ["name", "b"]).count(" class=n") == 3
    assert " class=n" not in table([("a", 1), ("b", "text")])


def test_few_points_are_marked_and_many_are_a_line() -> None:
    for count, marked in [(40, 40), (41, 0), (1, 1)]:
        x = np.arange(count, dtype=np.float64)
        assert line_chart("Loss", [Line("", x, x, dots=True)], "pass", "loss").count("<circle") == marked


def test_ticks_are_told_apart_and_passes_are_whole() -> None:
    loss = np.linspace(2779.2301, 2779.2309, 6)
    found = check_inert(line_chart("Loss", [Line("", np.array([1.0, 2.0]), loss[[0, -1]])], "pass", "loss"))
    ticks = [text for text in found.texts if text[0].isdigit()]
    assert len({*ticks}) == len(ticks) >= 5
    assert [text for text in ticks if float(text) < 100] == ["1", "2"]


def test_intervals_are_those_of_the_inference(rows: Any, tmp_path: Path) -> None:
    result = dgd.fit(*rows, threads=1)
    inference = result.inference()
    text = dgd.report(inference.model, out=tmp_path / "r.html").read_text()
    for end in inference.intervals[1]:
        assert f"<td class=n>{end:.6g}</td>" in text


def test_residuals_and_the_loss_of_each_chunk(rows: Any, store: str) -> None:
    X, y = rows
    result = dgd.fit(X, y, threads=1)
    found = diagnosed(result.model, X, y)
    assert found.score == result.model.score(X, y, threads=1)
    residuals = np.sort(y - result.predict(X))
    assert found.residuals is not None
    np.testing.assert_allclose(found.residuals[0], residuals, rtol=1e-12, atol=1e-14)
    assert found.within == 0
    assert found.quantile(0.25) == pytest.approx(np.quantile(residuals, 0.25, method="inverted_cdf"), abs=1e-12)
    stored = diagnosed(result.model, store, None)
    assert [chunk.index for chunk in stored.suspects()] == [7]
    assert [chunk.rows for chunk in stored.chunks] == [CHUNK] * 20 + [30]
    bad = (y[700:800] * 100 - result.predict(X[700:800])) ** 2
    assert stored.chunks[7].loss == pytest.approx(bad.mean(), rel=1e-12)


def test_of_more_rows_values_that_begin_alike_are_one_and_the_bound_holds(
    rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgd.models.scoring.diagnosis.KEPT", 256)
    X, y = rows
    result = dgd.fit(X, y, threads=1)
    found = diagnosed(result.model, X, y)
    residuals = y - result.predict(X)
    assert found.residuals is not None
    assert len(found.residuals[0]) <= 256
    assert 0 < found.within < 0.2
    for share in (0.01, 0.25, 0.6, 0.99):
        exact = np.quantile(residuals, share, method="inverted_cdf")
        assert abs(found.quantile(share) - exact) <= found.within * abs(exact)


def test_curves_are_those_of_sklearn(rows: Any) -> None:
    X, y = rows[0], (rows[1] > 0).astype(float)
    result = dgd.fit(X, y, loss="logistic", threads=1)
    found = diagnosed(result.model, X, y)
    (label, false, true), *others = found.roc
    assert (label, others) == (1, [])
    area = metrics.roc_auc_score(y, result.model.predict_proba(X)[:, 1])
    assert np.trapezoid(true, false) == pytest.approx(area, abs=1e-4)
    expected = metrics.roc_curve(y, result.model.predict_proba(X)[:, 1], drop_intermediate=False)
    points = {(round(a, 12), round(b, 12)) for a, b in zip(*expected[:2], strict=True)}
    assert {(round(a, 12), round(b, 12)) for a, b in zip(false, true, strict=True)} <= points


def test_several_classes_and_several_targets(rows: Any, tmp_path: Path) -> None:
    X, y = rows
    kinds = np.array([EVIL, "b", "c"])[np.digitize(y, [-1, 1])]
    classes = dgd.fit(X, kinds, loss="softmax", threads=1)
    found = diagnosed(classes.model, X, kinds)
    assert [label for label, *_ in found.roc] == sorted({EVIL, "b", "c"})
    check_inert(dgd.report(classes, X, kinds, out=tmp_path / "classes.html", threads=1).read_text())
    several = dgd.fit(X, np.stack([y, -y], axis=1), threads=1)
    check_inert(dgd.report(several, X, np.stack([y, -y], axis=1), out=tmp_path / "two.html", threads=1).read_text())


def test_the_same_bits_on_threads_and_on_workers(store: str, tiny_data_are_divided_too: None) -> None:
    model = dgd.fit(store, threads=1).model
    one = diagnosed(model, store, None, threads=1)
    with two_in_this_process() as client:
        for other in (diagnosed(model, store, None, threads=2), diagnosed(model, store, None, client=client)):
            assert other.score == one.score
            assert other.chunks == one.chunks
            assert one.residuals is not None
            assert other.residuals is not None
            assert all((a == b).all() for a, b in zip(one.residuals, other.residuals, strict=True))


def test_of_a_run_that_is_under_way_and_of_one_pass(rows: Any, tmp_path: Path) -> None:
    run, seen = tmp_path / "run.jsonl", []

    def look(record: dgd.Record) -> None:
        out = dgd.report(run, out=tmp_path / f"{record.iteration}.html")
        seen.append("still runs" in out.read_text())

    dgd.fit(*rows, loss="huber", threads=1, max_iter=3, callbacks=[dgd.callbacks.Events(run), look])
    assert seen == [True] * 3
    check_inert((tmp_path / "1.html").read_text())
    one = dgd.fit(*rows, threads=1)
    assert one.n_iter_ == 1
    check_inert(dgd.report(one, out=tmp_path / "one.html").read_text())


def test_a_diverged_fit_has_a_report(rows: Any, tmp_path: Path) -> None:
    result = dgd.fit(rows[0] * 1e3, rows[1], learning_rate=1e9, max_iter=400, threads=1)
    assert result.status is dgd.Status.DIVERGED
    check_inert(dgd.report(result, out=tmp_path / "r.html").read_text())


def test_what_is_refused(rows: Any, tmp_path: Path) -> None:
    run, out = tmp_path / "run.jsonl", tmp_path / "r.html"
    result = dgd.fit(*rows, threads=1, callbacks=[dgd.callbacks.Events(run)])
    with pytest.raises(ConfigurationError, match="give the model"):
        dgd.report(run, *rows, out=out)
    with pytest.raises(ConfigurationError, match="takes a result, a model"):
        dgd.report(7, out=out)
    with pytest.raises(DatasetNotFoundError, match=r"nothing is at .*give a saved model, or the event file of a fit"):
        dgd.report(tmp_path / "nowhere.dgd", out=out)
    with pytest.raises(ConfigurationError, match="is an event file itself"):
        dgd.report(run, run=run, out=out)
    with pytest.raises(WriteError, match="cannot be written"):
        dgd.report(result, out=tmp_path / "nowhere" / "r.html")
    out.write_text("mine")
    with pytest.raises(ConfigurationError, match="exists"):
        dgd.report(result, out=out)
    assert out.read_text() == "mine"
    assert dgd.report(result, out=out, overwrite=True) == out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "run.jsonl"]


def test_the_shell(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, run, out = (str(tmp_path / name) for name in ("m.dgd", "run.jsonl", "r.html"))
    assert main(["fit", store, "--quiet", "--events", run, "--out", model]) == 0
    capsys.readouterr()
    assert main(["report", model, store, "--run", run, "--out", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"] == out
    check_inert(Path(out).read_text())
    assert main(["report", run, "--out", out]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_charts_of_odd_values() -> None:
    odd = np.array([np.nan, np.inf, 1.0, -1.0, 1e300])
    for values in (odd, np.array([]), np.array([np.nan]), np.array([3.0]), np.zeros(3), np.full(2, -1e-320)):
        for log in (False, True):
            check_inert(line_chart("t", [Line("", np.arange(len(values)), values)], "x", "y", log_y=log))
        if len(values):
            check_inert(interval_chart("t", ["n"] * len(values), values, values - 1, values + 1))
            check_inert(cell_map("t", values, ["n"] * len(values)))
    ticks = Axis.of(np.array([0.0, 10.0])).ticks()
    assert ticks == [0, 2, 4, 6, 8, 10]


def test_a_chart_is_bounded_whatever_is_drawn() -> None:
    many = np.arange(100_000.0)
    assert len(line_chart("t", [Line("", many, many)], "x", "y")) < 50_000
