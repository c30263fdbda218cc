"""The losses, by name. A new one is a file here and a line below."""

from __future__ import annotations

from dgd.losses.base import Loss
from dgd.losses.huber import Huber
from dgd.losses.logistic import Logistic
from dgd.losses.poisson import Poisson
from dgd.losses.softmax import Softmax
from dgd.losses.squared import Squared

LOSSES: dict[str, type[Loss]] = {
    "squared": Squared,
    "huber": Huber,
    "logistic": Logistic,
    "softmax": Softmax,
    "poisson": Poisson,
}

__all__ = ["LOSSES", "Huber", "Logistic", "Loss", "Poisson", "Softmax", "Squared"]
