"""The losses that the compiled loop knows, by number."""

from __future__ import annotations

from dgd.losses.gamma import Gamma
from dgd.losses.huber import Huber
from dgd.losses.logistic import Logistic
from dgd.losses.poisson import Poisson
from dgd.losses.squared import Squared
from dgd.losses.squared_hinge import SquaredHinge

SQUARED, HUBER, LOGISTIC, POISSON, GAMMA, SQUARED_HINGE = range(6)
KINDS: dict[type, int] = {
    Squared: SQUARED,
    Huber: HUBER,
    Logistic: LOGISTIC,
    Poisson: POISSON,
    Gamma: GAMMA,
    SquaredHinge: SQUARED_HINGE,
}
