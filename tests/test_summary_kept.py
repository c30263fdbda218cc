"""Summaries that are kept: on disk, as data grow, with rows taken away; and those that are R factors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_reference_nist import digits, nist
from test_summary import WEIGHT, M, N, X, Y, chunked

import dgd
from dgd.data.zarr.dataset_writer import DatasetWriter
from dgd.errors import ConfigurationError, DatasetChangedError, ModelError, SchemaError
from dgd.models.files import seal
from dgd.passes.sums.gram import Gram
from dgd.passes.sums.r_factor import RFactor
from dgd.penalties import L1, L2, NonNegative


def same(one: dgd.Summary, other: dgd.Summary) -> None:
    """To the bit."""
    assert len(one.parts) == len(other.parts)
    for a, b in zip(one.parts, other.parts, strict=True):
        assert type(a) is type(b)
        for name in a.__slots__:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@pytest.mark.parametrize("options", [{}, {"folds": 3}, {"by_chunk": True}, {"method": "qr"}], ids=str)
def test_saved_and_loaded(options: dict[str, Any], tmp_path: Path) -> None:
    made = dgd.summarize(chunked(weight=WEIGHT), **options)
    made.save(tmp_path / "s")
    found = dgd.load_summary(tmp_path / "s")
    same(made, found)
    assert (found.several, found.source, found.identity) == (made.several, made.source, made.identity)
    assert found.fit(penalty=L1(0.1)).theta.tobytes() == made.fit(penalty=L1(0.1)).theta.tobytes()
    with pytest.raises(ConfigurationError, match="overwrite=True"):
        made.save(tmp_path / "s")
    made.save(tmp_path / "s", overwrite=True)


def changed(folder: Path, **entries: Any) -> None:
    document = json.loads((folder / "summary.json").read_text()) | entries
    document = {name: value for name, value in document.items() if value != "gone" and name != "seal"}
    (folder / "summary.json").write_text(json.dumps({**document, "seal": seal(document)}))


@pytest.mark.each(2)
@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"format": 2}, "format 2"),
        ({"parts": True}, "is a bool"),
        ({"parts": 2}, "shape"),
        ({"features": 0}, "no parts"),
        ({"more": 1}, "does not know"),
        ({"source": "gone"}, "has no 'source'"),
        ({"method": "pickle"}, "expected one of gram, qr"),
        ({"sha256": {}}, "does not name the arrays"),
        ({"feature_names": ["a"] * N}, "different strings"),
        ({"by_chunk": True}, "1 parts for 13 chunks"),
        ({"rows_left_out": -1}, "below 0"),
        ({"roles": ["groups"]}, "not weight and offset"),
        ({"design": {"terms": 3}}, "not that of a design"),
        ({"design": {"terms": [], "intercept": True, "target": None}}, "not those that its design makes"),
    ],
)
def test_what_dgd_did_not_write_is_refused(entries: dict[str, Any], said: str, tmp_path: Path) -> None:
    dgd.summarize(chunked()).save(tmp_path / "s")
    changed(tmp_path / "s", **entries)
    with pytest.raises(ModelError, match=said):
        dgd.load_summary(tmp_path / "s")


def test_damage_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with pytest.raises(ModelError, match=r"holds no summary\.json"):
        dgd.load_summary(folder)
    dgd.summarize(X, Y).save(folder)
    content = bytearray((folder / "products.npy").read_bytes())
    content[-3] ^= 1
    (folder / "products.npy").write_bytes(content)
    with pytest.raises(ModelError, match="sha256"):
        dgd.load_summary(folder)
    (folder / "summary.json").write_text((folder / "summary.json").read_text().replace("memory", "elsewhere"))
    with pytest.raises(ModelError, match="seal"):
        dgd.load_summary(folder)


def write(path: Path, rows: int, *, change: int | None = None) -> Path:
    values = X[:rows].copy()
    if change is not None:
        values[change, 0] += 1
    with DatasetWriter(path, chunk_rows=100, overwrite=True) as writer:
        writer.append(values, Y[:rows, 0])
    return path


@pytest.mark.parametrize("method", ["gram", "qr"])
def test_only_appended_chunks_are_read(method: str, tmp_path: Path) -> None:
    first = dgd.summarize(write(tmp_path / "a.zarr", 800), method=method)
    grown = dgd.open_dataset(write(tmp_path / "b.zarr", M))
    read = set()
    original = type(grown.X).read

    class Watching(type(grown.X)):  # type: ignore[misc]
        def read(self, start: int, stop: int, buffers: Any) -> Any:
            read.add((start, stop))
            return original(self, start, stop, buffers)

    object.__setattr__(grown.X, "__class__", Watching)
    found = first.update(grown)
    assert read == {(k, min(k + 100, M)) for k in range(800, M, 100)}
    assert (found.rows, len(found.chunks)) == (M, 13)
    np.testing.assert_allclose(found.fit().coef_, dgd.fit(X, Y[:, 0]).coef_, rtol=1e-9)
    read.clear()
    assert found.update(grown).rows == M
    assert not read


def test_a_chunk_that_has_grown_or_changed(tmp_path: Path) -> None:
    short, whole = write(tmp_path / "a.zarr", 850), write(tmp_path / "b.zarr", M)
    with pytest.raises(DatasetChangedError, match="by_chunk=True"):
        dgd.summarize(short).update(whole)
    kept = dgd.summarize(short, by_chunk=True)
    same(kept.update(whole), dgd.summarize(whole, by_chunk=True))
    changed = write(tmp_path / "c.zarr", M, change=250)
    with pytest.raises(DatasetChangedError, match="chunk 2 of"):
        dgd.summarize(whole).update(changed)
    same(kept.update(changed), dgd.summarize(changed, by_chunk=True))
    with pytest.raises(ConfigurationError, match="of folds, or a sum"):
        dgd.summarize(whole, folds=2).update(whole)
    with pytest.raises(SchemaError, match="made with neither weight nor offset, and the data are given with weight"):
        dgd.summarize(X[:1000], Y[:1000]).update(X, Y, weight=WEIGHT)
    with pytest.raises(SchemaError, match="the data have"):
        dgd.summarize(whole).update(X[:, :2], Y[:, 0])


def test_rows_that_were_left_out_are_counted_once_and_chunks_may_go(tmp_path: Path) -> None:
    holed = X.copy()
    holed[::50, 1] = np.nan

    def stored(name: str, rows: int) -> dgd.Dataset:
        with DatasetWriter(tmp_path / name, chunk_rows=100, missing="keep") as writer:
            writer.append(holed[:rows], Y[:rows, 0])
        return dgd.open_dataset(tmp_path / name, missing="drop")

    short, whole = stored("a.zarr", 850), stored("b.zarr", M)
    kept = dgd.summarize(short, by_chunk=True)
    assert kept.rows_left_out == 17
    grown = kept.update(whole)
    assert (grown.rows, grown.rows_left_out) == (M - 25, 25)
    same(grown, dgd.summarize(whole, by_chunk=True))
    back = grown.update(stored("c.zarr", 800))
    assert (back.rows, back.rows_left_out, back.bytes_read) == (784, 16, 0)
    same(back, dgd.summarize(stored("d.zarr", 800), by_chunk=True))


def test_rows_are_taken_away() -> None:
    whole, some = dgd.summarize(X, Y, weight=WEIGHT), dgd.summarize(X[:300], Y[:300], weight=WEIGHT[:300])
    rest = whole.without(some)
    expected = dgd.summarize(X[300:], Y[300:], weight=WEIGHT[300:])
    assert (rest.rows, rest.weight) == (expected.rows, expected.weight)
    np.testing.assert_allclose(rest.fit().coef_, expected.fit().coef_, rtol=1e-9)
    np.testing.assert_allclose(rest.target_variance, expected.target_variance, rtol=1e-12)
    with pytest.raises(ConfigurationError, match="nothing is left"):
        whole.without(whole)
    large = np.concatenate([X[:1000] * 1e6, X[1000:]])
    with pytest.raises(ConfigurationError, match="too few digits"):
        dgd.summarize(large, Y).without(dgd.summarize(large[:1000], Y[:1000]))


@pytest.mark.each(3)
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("penalty", [None, L2(0.3), L1(0.2), NonNegative()], ids=repr)
def test_r_factors_say_the_same(penalty: Any, fit_intercept: bool, weight: Any) -> None:
    near = X - [0, 2000, 0, 0, 1e6, 0]
    dataset = chunked(near, weight=weight)
    factored = dgd.summarize(dataset, method="qr")
    assert isinstance(factored.parts[0], RFactor)
    gram = dgd.summarize(dataset).total
    np.testing.assert_allclose(factored.total.products, gram.products, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(factored.total.squares, gram.squares, rtol=1e-12)
    found = factored.fit(penalty=penalty, fit_intercept=fit_intercept)
    expected = dgd.fit(dataset, penalty=penalty, fit_intercept=fit_intercept, solver="newton")
    np.testing.assert_allclose(found.theta, expected.theta, rtol=1e-7, atol=1e-10)
    assert found.loss == pytest.approx(expected.loss, rel=1e-9)
    some = factored.fit(features=[3, 1], targets=1, penalty=penalty, fit_intercept=fit_intercept)
    same = dgd.fit(near[:, [3, 1]], Y[:, 1], weight=weight, penalty=penalty, fit_intercept=fit_intercept)
    np.testing.assert_allclose(some.theta, same.theta, rtol=1e-7, atol=1e-10)


def test_r_factors_have_the_same_bits_on_threads_and_add_up(tiny_data_are_divided_too: None) -> None:
    one, three = (dgd.summarize(chunked(), method="qr", threads=threads) for threads in (1, 3))
    same(one, three)
    together = dgd.summarize(X[:5], Y[:5], method="qr") + dgd.summarize(X[5:], Y[5:], method="qr")
    np.testing.assert_allclose(together.fit().coef_, one.fit().coef_, rtol=1e-9)
    with pytest.raises(ConfigurationError, match="cannot be added"):
        one + dgd.summarize(X, Y)
    with pytest.raises(ConfigurationError, match="R factor"):
        one.without(one)


@pytest.mark.parametrize(("name", "least"), [("filip", 7), ("longley", 12), ("wampler1", 9), ("wampler2", 11)])
def test_nist_by_qr(name: str, least: float) -> None:
    """As statsmodels' QR, where products have no digit (filip) or a few less."""
    A, y, certified = nist(name)
    found = dgd.summarize(A, y, method="qr").fit()
    assert digits(found.theta, certified) >= least
    assert found.certificate is not None
    assert found.certificate.distance >= np.linalg.norm(found.coef_ - certified[1:])


def test_a_part_is_a_gram_whatever_was_summed() -> None:
    kept = dgd.summarize(chunked(), method="qr", folds=2)
    assert all(isinstance(part, Gram) for part in kept.grams)
    assert sum(part.rows for part in kept.grams) == M
