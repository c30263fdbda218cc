"""Stored numbers in the dtype of the arithmetic: every float16 there is, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from sums import gradient_sum

import dgd
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.errors import DgdError
from dgd.losses import Squared
from dgd.passes.sums.blocks import Blocks
from dgd.passes.sums.conversion import PIECE, convert
from dgd.passes.threads import ThreadExecutor

EVERY = np.arange(2**16, dtype=np.uint16).view(np.float16)
FINITE = EVERY[np.isfinite(EVERY)]


def same_bits(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("values", [EVERY, FINITE, FINITE[FINITE < 0], FINITE[:0]])
def test_every_float16_is_exact(values: np.ndarray, dtype: type) -> None:
    assert len(EVERY) == PIECE
    out = np.full(len(values), 7, dtype)
    convert(values, out)
    assert same_bits(out, values.astype(dtype))


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, -np.nan])
@pytest.mark.parametrize("place", [0, PIECE - 1, PIECE, 2 * PIECE + 4])
def test_what_is_not_finite_stays_so_in_any_piece(bad: float, place: int) -> None:
    values = np.resize(FINITE, 2 * PIECE + 5)
    values[place] = bad
    out = np.empty((5, len(values) // 5) if len(values) % 5 == 0 else len(values), np.float32)
    convert(values.reshape(out.shape), out)
    assert same_bits(out, values.astype(np.float32))


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "i1", "u1", ">i4", "f8"])
def test_rows_of_any_dtype_and_layout(dtype: str) -> None:
    values = np.arange(-60, 60).astype(dtype).reshape(12, 10)
    for X in (values, values[:, ::2], values[::-1], np.asfortranarray(values)):
        out = np.empty(X.shape, np.float32)
        convert(X, out)
        assert same_bits(out, np.ascontiguousarray(X.astype(np.float32)))


def test_a_pass_over_float16_is_that_over_its_float32() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(5000, 7)).astype(np.float16)
    half[::3] *= np.float16(1e-6)
    y = rng.normal(size=5000).astype(np.float32)
    chunk_sum = gradient_sum(Squared(), 0.5, np.linspace(-1, 1, 7), precision="single")
    sums = [
        ThreadExecutor(threads).sweep(dgd.open_dataset(X, y), chunk_sum).value.parts[0]
        for X, threads in ((half, 1), (half, 2), (half.astype(np.float32), 1))
    ]
    for other in sums[1:]:
        assert other.loss == pytest.approx(sums[0].loss, rel=1e-6)
        np.testing.assert_allclose(other.gradient, sums[0].gradient, rtol=1e-4, atol=1e-3)
    assert same_bits(sums[0].gradient, sums[1].gradient)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_float16_that_is_not_finite_is_refused(bad: float) -> None:
    X = np.ones((300, 3), np.float16)
    X[123, 2] = bad
    with pytest.raises(DgdError, match="123"):
        dgd.fit(X, np.arange(300.0), precision="single")


def test_blocks_of_float16_are_converted() -> None:
    X = EVERY[: 2**14].reshape(-1, 8)
    (block,) = Blocks(Chunk(0, 0, X, None, None, 0), np.zeros(8), 0.0, Buffers(), dtype=np.dtype(np.float32))
    assert same_bits(block.X, X.astype(np.float32))
