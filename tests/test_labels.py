"""Labels of classes, of any dtype: their indices, and which classes are refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dgd.errors import ConfigurationError
from dgd.losses import Logistic, Softmax
from dgd.losses.labels import _holds, class_indices

F64 = np.dtype(np.float64)
STRINGS = ["no", "yes", "no", "naïve", "yes"]
LABELS = [
    pytest.param((0, 1), np.array([0, 1, 0, 2, 1], dtype), id=f"int classes in {dtype}")
    for dtype in ("i1", "u1", ">i4", "i8", "u8", "f2", "f4", "f8", "O")
] + [
    pytest.param(("no", "yes"), np.array(STRINGS), id="str in U"),
    pytest.param(("no", "yes"), np.array(STRINGS, ">U40"), id="str in wide U, other byte order"),
    pytest.param(("no", "yes"), np.array([s.encode() for s in STRINGS]), id="str in S"),
    pytest.param(("né", "ül"), np.array([s.encode() for s in ("né", "ül", "né", "no", "ül")]), id="UTF-8 in S"),
    pytest.param(("no", "yes"), np.array(STRINGS, object), id="str in O"),
    pytest.param(("no", "yes"), np.array(STRINGS, np.dtypes.StringDType()), id="str in T"),
    pytest.param(np.array([b"no", b"yes"]), np.array(STRINGS), id="S in U"),
    pytest.param(("no", "yes"), np.array(["no", b"yes", np.str_("no"), None, "yes"], object), id="mixed objects"),
    pytest.param(("no", "yes"), np.array(["no", "yes", "no", [], "yes"], object), id="an object without a hash"),
    pytest.param((False, True), np.array([0, 1, 0, 7, 1], "i2"), id="bool classes in ints"),
    pytest.param((0.0, 1.0), np.array([False, True, False, 2, True], object), id="float classes in objects"),
    pytest.param((-2.5, 3), np.array([-2.5, 3, -2.5, np.nan, 3]), id="NaN"),
    pytest.param((7, -300), np.array([7, -300, 7, 0, -300], "i2"), id="declared order"),
    pytest.param((2**53, 2**53 + 1), 2**53 + np.array([0, 1, 0, 2, 1]), id="beyond the doubles"),
    pytest.param((1, 2**64 - 1), np.array([1, 2**64 - 1, 1, 0, 2**64 - 1], "u8"), id="beyond int64"),
]


@pytest.mark.parametrize("loss", [Logistic(), Softmax()], ids=lambda loss: loss.name)
@pytest.mark.parametrize(("classes", "y"), LABELS)
def test_labels_become_indices(loss: Logistic | Softmax, classes: Any, y: np.ndarray) -> None:
    loss, before = loss.with_classes(classes), y.copy()
    for dtype in (np.dtype(np.float32), F64):
        encoded = loss.encode(y, dtype)
        assert encoded.dtype == dtype
        np.testing.assert_array_equal(encoded, [0, 1, 0, np.nan, 1])
    np.testing.assert_array_equal(y, before)


@pytest.mark.parametrize(
    ("classes", "y"),
    [
        (("0", "1"), np.array([0, 1])),
        ((0, 1), np.array(["0", "1"])),
        ((0, 1), np.array([b"0", b"1"])),
        ((0, 1), np.array(["0", None], object)),
        ((300, 0.5), np.array([44, 0], "u1")),
        ((0.1, 1e300), np.array([0.1, np.inf], "f4")),
        ((2**53 + 1, 2**2000), np.array([2.0**53, np.inf])),
        ((2, 3), np.array([True, False])),
        ((0, 1), np.array([0, 1], "datetime64[s]")),
        ((0, 1), np.array([0j, 1j])),
    ],
)
def test_a_label_of_another_kind_is_no_label(classes: tuple[Any, ...], y: np.ndarray) -> None:
    assert np.isnan(Softmax(classes=classes).encode(y, F64)).all()


def test_many_classes_in_any_order_against_a_dictionary() -> None:
    rng = np.random.default_rng(5)
    classes = rng.permutation(1000)[:300].tolist()
    y, index_of = rng.integers(0, 1000, (400, 2)), {label: float(k) for k, label in enumerate(classes)}
    for stored, declared in ((y, classes), (y.astype(str), [str(c) for c in classes])):
        encoded = Softmax(classes=declared).encode(stored, F64)
        np.testing.assert_array_equal(encoded, [[index_of.get(int(v), np.nan) for v in row] for row in y])
    assert Softmax(classes=classes).encode(y[:0], F64).shape == (0, 2)


@pytest.mark.parametrize("dtype", ["?", "i8", "f4", "f8", "O", "U5", "S5"])
def test_classes_are_plain_and_go_to_json(dtype: str) -> None:
    labels = np.unique(np.array([1, 0], dtype))
    for loss in (Logistic().with_classes(labels), Softmax().with_classes(labels)):
        assert type(loss.classes) is tuple
        assert all(type(label) in (bool, int, float, str) for label in loss.classes)
        again = type(loss)(classes=json.loads(json.dumps(loss.classes)))
        assert again == loss
        assert hash(again) == hash(loss)
        np.testing.assert_array_equal(again.encode(np.array([1, 0, 1], dtype), F64), [1, 0, 1])


@pytest.mark.parametrize(
    ("loss", "classes", "words"),
    [
        (Logistic, ["a"], "must be two labels, got 1"),
        (Logistic, [1, 2, 3], r"got 3; `Softmax\(classes=...\)` takes more"),
        (Logistic, [1, True], "all different, got True twice"),
        (Logistic, "ab", "must be a list of labels, got 'ab'"),
        (Softmax, [1], r"at least two labels, or their number, got \[1\]"),
        (Softmax, ["a", "b", b"a"], "all different, got 'a' twice"),
        (Softmax, [0.5, np.nan], "finite numbers, bools or strings, got nan"),
        (Softmax, [0, None], "finite numbers, bools or strings, got None"),
    ],
)
def test_classes_are_refused(loss: Any, classes: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        loss(classes=classes)


IN_TURN = (0, 1), (0, 1, 2, 3), (-1, 0, 1, 2), (-1, 1), (1.5, 0), (True, False)
OTHERS = (3, 1, 2), (1, 2, 4), (2.5, 3.5, 4.5), (5, 7, 0.5)


def test_classes_that_follow_each_other_or_are_two_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[tuple] = []
    searchsorted = np.searchsorted
    monkeypatch.setattr(np, "searchsorted", lambda known, y: looked_up.append(tuple(known)) or searchsorted(known, y))
    numbers = [-300, -1, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 7, 255, 2**53, 2**63 - 1]
    for classes in IN_TURN + OTHERS:
        for stored in ("?", "i1", "u1", "i8", "u8", "f2", "f4", "f8"):
            y = np.array([number for number in numbers if _holds(np.dtype(stored), number)], stored)
            y = np.concatenate([y, [np.nan, np.inf, -np.inf]]).astype(stored) if stored[0] == "f" else y
            index_of = {label: index for index, label in enumerate(classes)}
            for dtype in (np.dtype(np.float32), F64):
                found = class_indices(y, classes, dtype)
                np.testing.assert_array_equal(found, [index_of.get(label, np.nan) for label in y.tolist()])
                assert found.dtype == dtype
                known = y[~np.isnan(found)]
                np.testing.assert_array_equal(class_indices(known, classes, dtype), found[~np.isnan(found)])
    assert {(1, 2, 3), (1, 2, 4), (2.5, 3.5, 4.5), (0.5, 5, 7)} <= {each for each in looked_up if len(each) > 1}
    assert not {tuple(sorted(classes)) for classes in IN_TURN} & set(looked_up)
