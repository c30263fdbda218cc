"""The losses, by name. A new one is a file here and a line below."""

from __future__ import annotations

from dgd.losses.base import Loss
from dgd.losses.binomial import Binomial
from dgd.losses.cloglog import Cloglog
from dgd.losses.gamma import Gamma
from dgd.losses.huber import Huber
from dgd.losses.inverse_gaussian import InverseGaussian
from dgd.losses.logistic import Logistic
from dgd.losses.negative_binomial import NegativeBinomial
from dgd.losses.poisson import Poisson
from dgd.losses.probit import Probit
from dgd.losses.quantile import Quantile
from dgd.losses.softmax import Softmax
from dgd.losses.squared import Squared
from dgd.losses.squared_epsilon_insensitive import SquaredEpsilonInsensitive
from dgd.losses.squared_hinge import SquaredHinge
from dgd.losses.tweedie import Tweedie

LOSSES: dict[str, type[Loss]] = {
    "squared": Squared,
    "huber": Huber,
    "quantile": Quantile,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
    "logistic": Logistic,
    "probit": Probit,
    "cloglog": Cloglog,
    "squared_hinge": SquaredHinge,
    "binomial": Binomial,
    "softmax": Softmax,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
    "gamma": Gamma,
    "tweedie": Tweedie,
    "inverse_gaussian": InverseGaussian,
}

__all__ = [
    "LOSSES",
    "Binomial",
    "Cloglog",
    "Gamma",
    "Huber",
    "InverseGaussian",
    "Logistic",
    "Loss",
    "NegativeBinomial",
    "Poisson",
    "Probit",
    "Quantile",
    "Softmax",
    "Squared",
    "SquaredEpsilonInsensitive",
    "SquaredHinge",
    "Tweedie",
]
