"""Splits: the rows of each part by the rule as it is written, the same everywhere, at every door, without a copy."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from clusters import two_in_this_process

import dgd
from dgd.cli import main
from dgd.data.buffers import Buffers
from dgd.data.split import Split, key_numbers
from dgd.errors import ConfigurationError, ModelError, ValueRangeError

ROWS, MASK = 1_003, 2**64 - 1


def splitmix(i: int, seed: int) -> int:
    """The hash as the module's docstring writes it, in Python's integers."""
    z = (i * 0x9E3779B97F4A7C15 + (seed + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def fnv(text: str) -> int:
    a = 0xCBF29CE484222325
    for c in text:
        a = ((a ^ ord(c)) * 0x100000001B3) & MASK
    return a


def in_train(number: int, fraction: str, seed: int) -> bool:
    return splitmix(number, seed) < int(Fraction(fraction) * 2**64)


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, ROWS))
    key = rng.integers(0, 60, ROWS)
    return pd.DataFrame(
        {"a": a, "b": b, "y": 2 * a - b + rng.normal(size=ROWS), "w": rng.integers(1, 4, ROWS).astype(float),
         "key": key, "name": [f"k{k}é" * (1 + k % 3) for k in key], "row": np.arange(ROWS)}
    )  # fmt: skip


FRAME = frame()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    FRAME.to_parquet(path, row_group_size=100, index=False)
    return path


@pytest.fixture(scope="module")
def store(table: Path) -> Path:
    out = table.with_name("t.zarr")
    dgd.ingest([table], out, target="y", features=["a", "b"], weight="w", ids=["name", "row"], chunk_rows=37)
    return out


def rows_of(dataset: dgd.Dataset) -> np.ndarray:
    return np.concatenate([dataset.read(k, Buffers()).X for k in range(dataset.n_chunks)])


@pytest.mark.parametrize("text", ["train:0.8:1", "test:0.8:1", "train:1/3", "test:0.001:7"])
def test_the_rows_are_those_of_the_rule(table: Path, store: Path, text: str) -> None:
    part = text.partition(":")[0] == "train"
    fraction, seed = (*text.split(":")[1:], "0")[:2]
    wanted = np.array([in_train(i, fraction, int(seed)) == part for i in range(ROWS)])
    expected = FRAME.loc[wanted, ["a", "b"]].to_numpy()
    memory = FRAME[["a", "b"]].to_numpy()
    for data, y in ((table, "y"), (store, None), (memory, FRAME["y"].to_numpy())):
        options: dict[str, Any] = {"features": ["a", "b"]} if data is table else {}
        dataset = dgd.open_dataset(data, y, split=text, **options)
        np.testing.assert_array_equal(rows_of(dataset), expected)
        assert dataset.shape == expected.shape
        assert str(dataset.part.split) == str(Split.of(text))
    sparse = dgd.open_dataset(scipy.sparse.csr_array(memory), FRAME["y"].to_numpy(), split=text)
    np.testing.assert_array_equal(sparse.read(0, Buffers()).X.toarray(), expected)
    np.testing.assert_array_equal(sparse.read(0, Buffers()).y, FRAME["y"][wanted])


def test_these_rows_for_ever() -> None:
    """Written down once: no version may change them."""
    assert np.flatnonzero(~Split.of("train:0.8:1").holds(np.arange(40))).tolist() == [2, 8, 18, 19, 21, 23, 28, 29, 33]
    texts = np.array(["", "a", "carrier", "é", "日本", "x" * 40])
    assert [int(n) for n in key_numbers(texts)] == [fnv(text) for text in texts.tolist()]
    assert key_numbers(np.array(["a" * 3, "b"])).tolist() == key_numbers(np.array(["aaa", "b", "c" * 90]))[:2].tolist()


@pytest.mark.parametrize("key", ["key", "name"])
def test_rows_with_a_key_stay_together_in_any_file(table: Path, store: Path, tmp_path: Path, key: str) -> None:
    number = (lambda k: k) if key == "key" else fnv
    wanted = np.array([in_train(number(k), "0.7", 3) for k in FRAME[key].tolist()])
    assert 0.5 < wanted.mean() < 0.9
    assert not set(FRAME[key][wanted]) & set(FRAME[key][~wanted])
    train = dgd.open_dataset(table, "y", features=["a", "b"], split=f"train:0.7:3:{key}")
    np.testing.assert_array_equal(rows_of(train), FRAME.loc[wanted, ["a", "b"]])
    shuffled = FRAME.sample(frac=1, random_state=0)
    shuffled["key"] = shuffled["key"].astype(float)
    shuffled["name"] = shuffled["name"].astype("category")
    shuffled.to_parquet(tmp_path / "s.parquet", row_group_size=90, index=False)
    other = dgd.open_dataset(tmp_path / "s.parquet", "y", features=["row"], split=f"train:0.7:3:{key}")
    assert set(rows_of(other)[:, 0]) == set(np.flatnonzero(wanted))
    framed = dgd.open_dataset(FRAME[["a", "b", "key"]], FRAME["y"], split="train:0.7:3:key")
    assert framed.shape[0] == sum(in_train(k, "0.7", 3) for k in FRAME["key"].tolist())


def test_numbers_are_the_same_key_whatever_their_type() -> None:
    whole = key_numbers(np.array([-3, 0, 7, 2**53]))
    assert whole.tolist() == key_numbers(np.array([-3.0, -0.0, 7.0, 2.0**53])).tolist()
    assert whole.tolist() == key_numbers(np.array([-3, 0, 7, 2**53]).astype(np.float32).astype(np.float64)).tolist()
    assert key_numbers(np.array([2**63], np.uint64))[0] == 2**63
    assert len(set(key_numbers(np.array([0.5, 0.25, 1e300, -1e300])).tolist())) == 4


def test_a_fit_of_a_part_is_that_of_its_rows_and_test_is_the_others(
    table: Path, store: Path, tmp_path: Path, tiny_data_are_divided_too: None
) -> None:
    wanted = np.array([in_train(i, "0.8", 1) for i in range(ROWS)])
    inside, outside = FRAME[wanted], FRAME[~wanted]
    expected = dgd.fit(inside[["a", "b"]], inside["y"], weight=inside["w"])
    fitted = dgd.fit(table, "y", weight="w", features=["a", "b"], split="train:0.8:1")
    np.testing.assert_allclose(fitted.theta, expected.theta, rtol=1e-12)
    assert (fitted.model.provenance["split"], fitted.model.provenance["rows"]) == ("train:0.8:1", len(inside))
    with two_in_this_process() as client:
        wheres: list[dict[str, Any]] = [{"threads": 1}, {"threads": 3}, {"client": client}]
        bits = {dgd.fit(store, split="train:0.8:1", solver="gd", max_iter=3, **at).theta.tobytes() for at in wheres}
        assert len(bits) == 1
    fitted.model.save(tmp_path / "m.dgd")
    model = dgd.load_model(tmp_path / "m.dgd")
    alone = model.score(outside[["a", "b"]], outside["y"], weight=outside["w"])
    found = model.score(table, "y", weight="w", split="test", by="key")
    assert found.rows == alone.rows == sum(group.rows for group in found.groups.values())
    np.testing.assert_allclose(found.mse, alone.mse, rtol=1e-12)
    framed = model.score(FRAME, "y", split="test", by="key")
    np.testing.assert_allclose(framed.mse, model.score(outside, "y").mse, rtol=1e-12)
    np.testing.assert_allclose(model.predict(store, split="test"), model.predict(outside), rtol=1e-12)
    for data in (table, store, FRAME):
        dgd.predict_to(model, data, tmp_path / "p.parquet", ids=["row"], split="test", overwrite=True)
        found = pd.read_parquet(tmp_path / "p.parquet")
        assert found["row"].tolist() == outside["row"].tolist()
        np.testing.assert_allclose(found["prediction"], model.predict(outside), rtol=1e-12)
    with pytest.raises(ModelError, match=r"not fitted on a part"):
        expected.model.score(table, "y", split="test")


def test_a_part_can_be_copied_and_folded(store: Path, tmp_path: Path) -> None:
    wanted = np.array([in_train(i, "0.5", 0) for i in range(ROWS)])
    dgd.copy(store, tmp_path / "half.zarr", split="train:0.5")
    np.testing.assert_array_equal(rows_of(dgd.open_dataset(tmp_path / "half.zarr")), FRAME.loc[wanted, ["a", "b"]])
    whole = dgd.cross_validate(FRAME.loc[wanted, ["a", "b"]].to_numpy(), FRAME.loc[wanted, "y"].to_numpy(), folds=3)
    inside = dgd.cross_validate(store, folds=3, weight=False, split="train:0.5")
    np.testing.assert_allclose(inside.fold_losses, whole.fold_losses, rtol=1e-9)


@pytest.mark.parametrize(
    "text",
    ["train", "train:", "train:0", "train:1", "train:x", "train:1/0", "valid:0.5", "train:0.5:-1", "train:0.5:x", 7],
)
def test_what_is_no_split_is_refused(text: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"train:0\.8:1"):
        dgd.open_dataset(FRAME[["a"]], FRAME["y"], split=text)


def test_mistakes_are_told(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no column 'kye'. Did you mean 'key'"):
        dgd.open_dataset(table, "y", features=["a"], split="train:0.8:1:kye")
    with pytest.raises(ConfigurationError, match="none of that name"):
        dgd.open_dataset(FRAME[["a"]], FRAME["y"], split="train:0.8:1:key")
    with pytest.raises(ConfigurationError, match="no row is in this part"):
        dgd.open_dataset(FRAME[["a"]].iloc[:3], FRAME["y"].iloc[:3], split="test:0.999:1")
    gaps = FRAME.assign(key=FRAME["key"].where(FRAME["row"] != 77))
    gaps.to_parquet(tmp_path / "g.parquet")
    with pytest.raises(ValueRangeError, match="row 77 is NaN: it has no key"):
        dgd.open_dataset(tmp_path / "g.parquet", "y", features=["a"], split="train:0.8:1:key")


def test_the_command_counts_and_the_options_take_these_rows(
    table: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    counts = sum(in_train(i, "0.8", 1) for i in range(ROWS))
    assert main(["split", str(table), "--seed", "1"]) == 0
    assert capfd.readouterr().out == (
        f"--split train:0.8:1  {counts} of 1,003 rows\n--split test:0.8:1   {ROWS - counts} of 1,003 rows\n"
    )
    by = sum(in_train(fnv(k), "0.5", 0) for k in FRAME["name"])
    assert main(["split", str(table), "--fraction", "0.5", "--by", "name", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {
        "rows": ROWS, "parts": {"train:0.5:0:name": by, "test:0.5:0:name": ROWS - by},
    }  # fmt: skip
    given = [str(table), "--y", "y", "--features", "a,b"]
    assert main(["fit", *given, "--split", "train:0.5:0:name", "--out", str(tmp_path / "m.dgd")]) == 0
    capfd.readouterr()
    assert main(["score", str(tmp_path / "m.dgd"), str(table), "--y", "y", "--split", "test", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["rows"] == ROWS - by
    assert main(["split", str(table), "--fraction", "1.5"]) == 2


@pytest.mark.parametrize("intercept", [True, False])
def test_what_a_design_learns_it_learns_of_its_part(tmp_path: Path, intercept: bool) -> None:
    gaps = FRAME.assign(a=FRAME["a"].where(FRAME["row"] % 7 > 0), w=1.0)
    gaps.loc[~np.array([in_train(i, "0.8", 1) for i in range(ROWS)]), "name"] = "only in test"
    gaps.to_parquet(tmp_path / "t.parquet", row_group_size=100, index=False)
    inside = gaps[[in_train(i, "0.8", 1) for i in range(ROWS)]]
    options: dict[str, Any] = {"features": ["a", "b", "name"], "missing": "mean", "fit_intercept": intercept}
    expected = dgd.fit(inside, "y", **options)
    for data in (tmp_path / "t.parquet", gaps):
        fitted = dgd.fit(data, "y", split="train:0.8:1", **options)
        assert fitted.model.feature_names == expected.model.feature_names
        np.testing.assert_allclose(fitted.theta, expected.theta, rtol=1e-9, atol=1e-12)


def test_validation_is_on_the_other_part_of_the_same_data(
    table: Path, store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outside = FRAME[[not in_train(i, "0.8", 1) for i in range(ROWS)]]
    gd: dict[str, Any] = {"split": "train:0.8:1", "solver": "gd", "max_iter": 3}
    for data, options in ((table, {"y": "y", "weight": "w", "features": ["a", "b"]}), (store, {})):
        fitted = dgd.fit(data, validation=data, **gd, **options)
        weight = None if data is table else outside["w"]
        expected = fitted.model.score(outside[["a", "b"]], outside["y"], weight=weight).mse
        np.testing.assert_allclose(fitted.history[-1].validation_loss, expected, rtol=1e-9)
    whole = dgd.fit(store, validation=dgd.open_dataset(store), **gd)
    expected = whole.model.score(FRAME[["a", "b"]], FRAME["y"], weight=FRAME["w"]).mse
    np.testing.assert_allclose(whole.history[-1].validation_loss, expected, rtol=1e-9)
    arguments = ["--split", "train:0.8:1", "--solver", "gd", "--max-iter", "3", "--json", "--quiet"]
    assert main(["fit", str(store), *arguments, "--validation", str(store)]) == 0
    said = json.loads(capfd.readouterr().out)
    np.testing.assert_allclose(said["history"][-1]["validation_loss"], fitted.history[-1].validation_loss, rtol=1e-9)
