"""Learning rates that fall with the iteration t = 0, 1, 2, …

Any function of t will do as a learning rate of `solver="gd"`. These three are written down in books: on exact
gradients a constant below 2/L converges fastest, and the other two are there to repeat what a book does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dgd.errors import ConfigurationError

Schedule = Callable[[int], float]
"""t = 0, 1, 2, … → η, a positive number."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The same learning rate always: η."""

    eta: float

    def __post_init__(self) -> None:
        _check("Constant(eta", self.eta)

    def __call__(self, t: int) -> float:
        """η."""
        del t
        return self.eta


@dataclass(frozen=True, slots=True)
class InverseScaling:
    """A learning rate that falls as a power of the iteration: η / (t + 1)ᵖ."""

    eta: float
    power: float = 0.25

    def __post_init__(self) -> None:
        _check("InverseScaling(eta", self.eta)
        _check("InverseScaling(power", self.power)

    def __call__(self, t: int) -> float:
        """η / (t + 1)ᵖ."""
        return float(self.eta / (t + 1) ** self.power)


@dataclass(frozen=True, slots=True)
class Decay:
    """A learning rate that falls as 1/t after a while: t₀ / (t + t₁), first t₀/t₁ and half of it at t = t₁."""

    t0: float
    t1: float

    def __post_init__(self) -> None:
        _check("Decay(t0", self.t0)
        _check("Decay(t1", self.t1)

    def __call__(self, t: int) -> float:
        """t₀ / (t + t₁)."""
        return self.t0 / (t + self.t1)


def rate_at(schedule: Schedule, t: int, *, call: str) -> float:
    """η at the iteration t; raises ConfigurationError, quoting the call, where that is no positive number."""
    eta = schedule(t)
    if not (isinstance(eta, (int, float, np.number)) and math.isfinite(eta) and eta > 0):
        raise ConfigurationError(f"`{call}` must give positive numbers, got {eta!r} at t = {t}")
    return float(eta)


def _check(call: str, number: object) -> None:
    if not (isinstance(number, (int, float)) and math.isfinite(number) and number > 0):
        raise ConfigurationError(f"`{call}=...)` must be a positive number, got {number!r}")
