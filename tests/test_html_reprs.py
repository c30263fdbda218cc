"""What notebooks show of a result, a model and a dataset: small, inert, and right."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
from test_report import EVIL, check_inert

import dgd


def test_they_are_inert_and_say_what_there_is() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, -2.0, 0.0] + rng.normal(size=200)
    frame = pd.DataFrame(X, columns=["a", EVIL, "c\n"])
    dataset = dgd.open_dataset(frame, y)
    result = dgd.fit(frame, y, threads=1)
    for value in (result, result.model, dataset):
        found = check_inert(value._repr_html_())
        assert any(EVIL in text for text in found.texts)
    assert f"{result.loss:.8g} (squared)" in result._repr_html_()
    assert f"<td class=n>{result.coef_[1]:.6g}</td>" in result._repr_html_()
    assert result._repr_html_().index(f"{result.coef_[1]:.6g}") < result._repr_html_().index(f"{result.coef_[0]:.6g}")
    assert "200 × 3" in dataset._repr_html_()
    assert pickle.loads(pickle.dumps(result))._repr_html_() == result._repr_html_()


def test_their_size_is_bounded() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3000))
    names = [f"{'n' * 10_000}{j}" for j in range(3000)]
    kinds = rng.integers(0, 30, size=40)
    frame = pd.DataFrame(X, columns=names)
    model = dgd.fit(frame, kinds, loss="softmax", penalty=dgd.penalties.L2(1.0), max_iter=2, threads=1).model
    for value in (model, dgd.open_dataset(frame, kinds)):
        assert len(value._repr_html_()) < 6_000
        check_inert(value._repr_html_())
    assert "and 2,990 smaller ones" in model._repr_html_()
