"""What `dgd fit` prints first: what was fitted, how, what came out, how sure; and the table of coefficients."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError
from dgd.models.coefficient_table import coefficient_table


@pytest.fixture
def wide() -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(3).normal(size=(200, 30))
    return X, X @ (np.arange(30.0) * np.where(np.arange(30) % 2, -1, 1))


def test_an_overview_is_what_a_fit_prints(store: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "m.dgd"
    result = dgd.fit(store, solver="newton")
    assert main(["fit", store, "--solver", "newton", "--out", str(out)]) == 0
    said = capfd.readouterr()
    assert said.out == result.overview().replace("`tol`", "--tol") + "\n"
    assert said.err == f"model saved to {out}\n"
    facts, rows = said.out.rstrip().split("\n\n")
    data, method, loss, explained, status = facts.splitlines()
    assert data == "data          1,003 rows × 5 columns, target t"
    assert method.startswith("method        squared loss: Newton's method, in ")
    assert loss == f"loss          {result.loss:.6g}"
    assert explained == f"R²            {result.explained:.6g}"
    assert result.certificate is not None
    bound = float(status.removeprefix("status        converged; coefficients within ").split()[0])
    assert result.certificate.distance <= bound <= 10 * result.certificate.distance
    names, numbers = zip(*(row.split() for row in rows.splitlines()), strict=True)
    assert names == ("intercept", *"abcde")
    np.testing.assert_allclose([float(number) for number in numbers], result.theta, rtol=5e-6)


def test_the_largest_come_first_on_demand(
    wide: tuple[np.ndarray, np.ndarray], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with dgd.DatasetWriter(tmp_path / "wide.zarr") as writer:
        writer.append(*wide)
    shown = {}
    for order in ("order", "size", "name"):
        assert main(["fit", str(tmp_path / "wide.zarr"), "--sort", order]) == 0
        *shown[order], more = capfd.readouterr().out.rstrip().split("\n\n")[1].splitlines()
        assert more == "… and 10 more coefficients"
        shown[order] = [line.split()[0] for line in shown[order]]
    assert shown["order"] == ["intercept", *(f"x{j}" for j in range(20))]
    assert shown["size"] == ["intercept", *(f"x{j}" for j in range(29, 9, -1))]
    assert shown["name"] == ["intercept", *sorted(f"x{j}" for j in range(30))[:20]]
    with pytest.raises(ConfigurationError, match="order, size, name"):
        dgd.fit(*wide).overview(order="value")


def test_what_lessens_trust_is_said(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(100, 3))
    X[:, 2] = X[:, 0] - X[:, 1]
    result = dgd.fit(X, X @ [1.0, 2, 3], solver="newton")
    assert "nearly collinear" in result.caution
    assert result.caution in result.overview()
    stopped = dgd.fit(X, X @ [1.0, 2, 3], solver="gd", max_iter=1)
    assert stopped.message in stopped.overview()
    with dgd.DatasetWriter(tmp_path / "d.zarr") as writer:
        writer.append(X, X[:, 0])
    assert main(["fit", str(tmp_path / "d.zarr"), "--solver", "gd", "--max-iter", "1"]) == 0
    assert (
        "iteration limit: --max-iter passes were made before the gradient norm fell to --tol" in capfd.readouterr().out
    )


def test_a_table_has_the_standard_errors_of_the_inference() -> None:
    rng = np.random.default_rng(5)
    X = rng.normal([1000, 0, -5], size=(300, 3))
    for y, loss, intercept in [
        (X @ [1, 2, 3] + rng.normal(size=300), "squared", True),
        (X @ [1, 2, 3] + rng.normal(size=300), "squared", False),
        (X @ np.ones((3, 2)) + rng.normal(size=(300, 2)), "squared", True),
        (rng.integers(0, 3, 300), "softmax", True),
    ]:
        result = dgd.fit(X, y, loss=loss, fit_intercept=intercept, tol=1e-10)
        inference = result.inference(conf=0.9)
        table = coefficient_table(inference.model, conf=0.9)
        assert table.names == ("intercept", "x0", "x1", "x2")
        rows = slice(None) if intercept else slice(1, None)
        outputs = 1 if inference.outputs is None else len(inference.outputs)
        columns = table.values[rows].reshape(-1, outputs, 6)
        pairs: list[tuple[Any, Any]] = [
            (columns[:, :, 0], inference.estimates),
            (columns[:, :, 1], inference.standard_errors),
            (columns[:, :, 3], inference.p_values),
            (columns[:, :, 4], inference.intervals[..., 0]),
            (columns[:, :, 5], inference.intervals[..., 1]),
        ]
        for ours, theirs in pairs:
            np.testing.assert_allclose(ours.squeeze(), np.asarray(theirs).squeeze(), rtol=1e-9, atol=1e-12)
        if not intercept:
            assert np.isnan(table.values[0, 1:4]).all()


def test_all_digits_are_in_csv_and_json_and_names_cannot_break_a_page() -> None:
    model = dgd.Model(np.array([1 / 3, -2e-300]), 0.1, "squared", feature_names=("a|b", "c\nd"))
    table = coefficient_table(model)
    assert [row["coefficient"] for row in table.as_json()] == [0.1, 1 / 3, -2e-300]
    assert [row[1] for row in csv.reader(io.StringIO(table.csv()))] == ["coefficient", "0.1", repr(1 / 3), "-2e-300"]
    assert table.markdown().splitlines()[2:] == ["| intercept | 0.1 |", "| a\\|b | 0.333333 |", "| c\\\\nd | -2e-300 |"]
    assert table.matching(["c*"]).names == ("c\nd",)
