"""Every registered loss: its derivative against a stencil, both at once against each by itself."""

from __future__ import annotations

import numpy as np
import pytest

from dgd.losses import LOSSES

ETA = np.array([-1e3, -2.5, -0.3, 0.0, 0.7, 4.0, 1e3])
Y = np.array([-3.0, -2.5, 0.0, 0.0, 1.0, -4.0, 5.0])


@pytest.mark.parametrize("name", LOSSES)
def test_derivative_by_a_five_point_stencil(name: str) -> None:
    loss = LOSSES[name]()
    h = 1e-3 * np.maximum(1, np.abs(ETA))
    stencil = (
        loss.value(ETA - 2 * h, Y)
        - 8 * loss.value(ETA - h, Y)
        + 8 * loss.value(ETA + h, Y)
        - loss.value(ETA + 2 * h, Y)
    ) / (12 * h)
    np.testing.assert_allclose(loss.gradient_scale * loss.derivative(ETA, Y), stencil, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_at_once_are_each_by_itself(name: str, dtype: type) -> None:
    loss, eta, y = LOSSES[name](), ETA.astype(dtype), Y.astype(dtype)
    before = eta.copy(), y.copy()
    value, derivative = loss.value_and_derivative(eta, y)
    assert (value == loss.value(eta, y)).all()
    assert (derivative == loss.derivative(eta, y)).all()
    assert value.dtype == derivative.dtype == dtype
    assert (eta == before[0]).all()
    assert (y == before[1]).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_named_by_its_key(name: str) -> None:
    assert LOSSES[name].name == name


def test_squared_is_the_mse_without_a_half() -> None:
    loss = LOSSES["squared"]()
    assert loss.value(np.array([5.0]), np.array([2.0])) == 9.0
    assert loss.gradient_scale * loss.derivative(np.array([5.0]), np.array([2.0])) == 6.0
