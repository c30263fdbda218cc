"""`dgd summarize`, and `dgd fit` from what it made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tables import table, written
from test_cli_many import run
from test_summary import M, X, Y

import dgd
from dgd.penalties import L1


def write(path: Path, rows: int = M, **options: Any) -> Path:
    with dgd.DatasetWriter(path, chunk_rows=100, feature_names=list("abcdef"), overwrite=True, **options) as writer:
        writer.append(X[:rows], Y[:rows, 0])
    return path


@pytest.fixture
def summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    out = tmp_path / "s.dgd"
    code, text, notes = run(capsys, "summarize", write(tmp_path / "a.zarr"), "--out", out)
    assert code == 0, notes
    assert text.splitlines()[:3] == [
        "rows          1,207",
        "columns       6, and 1 target",
        "sums          products, of all rows together",
    ]
    return out


def test_a_summary_is_fitted_without_its_data(summary, tmp_path, capsys):
    stored = dgd.load_summary(summary)
    (tmp_path / "a.zarr").rename(tmp_path / "gone.zarr")
    out = tmp_path / "m.dgd"
    code, text, notes = run(capsys, "fit", summary, "--l1", 0.2, "--features", "f,b", "--out", out, "-v")
    assert code == 0, notes
    assert "passes        0" in text
    expected = stored.fit(penalty=L1(0.2), features=["f", "b"])
    np.testing.assert_array_equal(dgd.load_model(out).coef, expected.coef_)
    assert dgd.load_model(out).feature_names == ("f", "b")
    code, text, _ = run(capsys, "fit", summary, "--inference", "--no-intercept", "--json")
    found = json.loads(text)
    errors = stored.fit(fit_intercept=False).inference().standard_errors
    assert code == 0
    assert [each["std_err"] for each in found["inference"]["coefficients"]] == pytest.approx(errors.tolist())


@pytest.mark.parametrize(
    ("options", "made"),
    [
        (["--folds", "3", "--seed", "2"], {"folds": 3, "seed": 2}),
        (["--folds", "3", "--by", "chunks"], {"folds": 3, "by": "chunks"}),
        (["--by-chunk"], {"by_chunk": True}),
        (["--method", "qr"], {"method": "qr"}),
        (["--precision", "single"], {"precision": "single"}),
    ],
    ids=str,
)
def test_it_makes_what_the_library_makes(options, made, tmp_path, capsys):
    store, out = write(tmp_path / "a.zarr"), tmp_path / "s"
    code, text, notes = run(capsys, "summarize", store, "--out", out, *options, "--json")
    assert code == 0, notes
    expected, found = dgd.summarize(store, **made), dgd.load_summary(out)
    assert len(found.parts) == len(expected.parts) == json.loads(text)["parts"]
    for one, other in zip(found.parts, expected.parts, strict=True):
        for name in one.__slots__:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_an_update_reads_what_was_appended(tmp_path, capsys):
    store, out = write(tmp_path / "a.zarr", 800), tmp_path / "s"
    whole = json.loads(run(capsys, "summarize", store, "--out", out, "--json")[1])
    write(store, M)
    code, text, notes = run(capsys, "summarize", store, "--out", out, "--update")
    assert code == 0, notes
    assert "rows          1,207, 407 of them new" in text
    code, text, _ = run(capsys, "summarize", store, "--out", out, "--update", "--json")
    assert (code, json.loads(text)["rows"], json.loads(text)["bytes_read"]) == (0, M, 0)
    assert whole["bytes_read"] > 0
    np.testing.assert_allclose(dgd.load_summary(out).fit().coef_, dgd.fit(store).coef_, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--checkpoint", "c"], 2, "is a summary, and --checkpoint needs rows"),
        (["--loss", "huber"], 2, "--loss huber needs rows"),
        (["--missing", "drop"], 2, "--missing needs rows"),
        (["--inference", "--groups", "g"], 2, "--groups needs rows"),
        (["--inference", "--cov", "HC0"], 2, "HC0 is of rows"),
        (["--features", "a,z"], 2, "--features must be different columns of the summary's 6 (a, b,"),
        (["--out", "tests"], 2, "exists"),
    ],
    ids=str,
)
def test_what_a_summary_does_not_say(summary, options, code, said, capsys):
    found, _, notes = run(capsys, "fit", summary, *options)
    assert (found, said in notes) == (code, True), notes


def test_what_cannot_be_summed_or_gone_on_with(summary, tmp_path, capsys):
    store = tmp_path / "a.zarr"
    for options, said in (
        (["--out", summary], "--overwrite to replace it"),
        (["--out", summary, "--update", "--method", "qr"], "as it was made, without --method"),
        (["--out", tmp_path / "t", "--update"], "there is no summary at"),
        (["--out", tmp_path / "t", "--folds", 3, "--by-chunk"], "--folds, --by-chunk: give one of them"),
        (["--out", store, "--overwrite"], "is not a dgd summary; --overwrite replaces only summaries"),
        (["--out", "s3://bucket/s"], "summaries are saved to local folders"),
    ):
        code, _, notes = run(capsys, "summarize", store, *options)
        assert (code, said in notes) == (2, True), notes
    assert run(capsys, "summarize", store, "--out", summary, "--overwrite", "--folds", 3)[0] == 0
    code, _, notes = run(capsys, "summarize", store, "--out", summary, "--update")
    assert (code, "keeps 3 folds apart" in notes) == (2, True)
    assert run(capsys, "summarize", store, "--out", summary, "--overwrite")[0] == 0
    write(store, 700)
    code, _, notes = run(capsys, "summarize", store, "--out", summary, "--update")
    assert (code, "made with --by-chunk reads it again" in notes) == (3, True), notes


def test_a_table_is_summed_by_a_design_that_is_kept(tmp_path, capsys):
    rows, out, model = table(), tmp_path / "s", tmp_path / "m.dgd"
    path = written(tmp_path / "t.parquet", rows.iloc[:200])
    options = ["--target", "y", "--features", "a,b", "--categorical", "k"]
    code, _, notes = run(capsys, "summarize", path, "--out", out, *options)
    assert code == 0, notes
    expected = dgd.fit(path, "y", features=["a", "b"], categorical=["k"], solver="newton")
    np.testing.assert_allclose(dgd.load_summary(out).fit().theta, expected.theta, rtol=1e-8, atol=1e-10)
    assert run(capsys, "fit", out, "--l2", 0.1, "--out", model)[0] == 0
    found = dgd.predict(dgd.load_model(model), rows)
    ridge = dgd.fit(path, "y", features=["a", "b"], categorical=["k"], penalty=dgd.penalties.L2(0.1))
    np.testing.assert_allclose(found, dgd.predict(ridge.model, rows), rtol=1e-8)
    later = written(tmp_path / "later.parquet", rows.iloc[:500])
    code, text, notes = run(capsys, "summarize", later, "--out", out, "--update", "--target", "y")
    assert (code, "rows          500, 300 of them new" in text) == (0, True), notes
    again = dgd.fit(later, "y", features=["a", "b"], categorical=["k"], solver="newton")
    np.testing.assert_allclose(dgd.load_summary(out).fit().theta, again.theta, rtol=1e-8, atol=1e-10)
    code, _, notes = run(capsys, "summarize", later, "--out", out, "--update", *options)
    assert (code, "by the design of the summary, without --features" in notes) == (2, True), notes
