"""Every method in a combination that it can work with, for tests over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgd.losses import Huber
from dgd.penalties import L1, L2, Box, ElasticNet, NonNegative
from dgd.solvers import Constant, Decay, MiniBatch

M, N = 211, 4
_RNG = np.random.default_rng(5)
X = _RNG.normal(size=(M, N)) * [1, 3, 0.5, 1] + [0, 2, 0, -1]
RAW = X @ np.array([0.5, -0.2, 1.0, 0.3])
SQUARED = RAW + _RNG.normal(size=M)
WEIGHT = _RNG.integers(0, 4, size=M).astype(float)
OFFSET = _RNG.normal(size=M)
TARGETS = {
    "squared": SQUARED,
    "huber": SQUARED + 20 * (_RNG.random(M) < 0.1),
    "logistic": (_RNG.random(M) < 1 / (1 + np.exp(-RAW))).astype(float),
    "poisson": _RNG.poisson(np.exp(0.4 * RAW)).astype(float),
    "softmax": np.digitize(RAW + _RNG.normal(size=M), [-1, 1]).astype(float),
    "two": np.column_stack([SQUARED, RAW**2]),
}


@dataclass(frozen=True)
class Case:
    """A loss with its target, and the options of `dgd.fit`."""

    label: str
    loss: Any = "squared"
    target: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def y(self) -> np.ndarray:
        return TARGETS[self.target or getattr(self.loss, "name", self.loss)]


def case(label: str, loss: Any = "squared", target: str = "", **options: Any) -> Case:
    return Case(label, loss, target, options)


CASES = [
    case("gd number", solver="gd", learning_rate=0.02),
    case("gd schedule", solver="gd", learning_rate=Decay(1, 50)),
    case("gd auto, logistic", "logistic", solver="gd"),
    case("gd auto, box", solver="gd", penalty=Box(lower=-0.1, upper=0.6)),
    case("gd exact, l2", solver="gd", learning_rate="exact", penalty=L2(0.1)),
    case("gd backtracking, poisson", "poisson", solver="gd", learning_rate="backtracking"),
    case("momentum", solver="momentum"),
    case("momentum number", solver="momentum", learning_rate=0.01),
    case("nesterov, huber", Huber(delta=1.0), solver="nesterov", penalty=L2(0.1)),
    case("nesterov, several outputs", target="two", solver="nesterov"),
    case("fista, l1", solver="fista", penalty=L1(0.3)),
    case("fista, elastic net, softmax", "softmax", solver="fista", penalty=ElasticNet(l1=0.01, l2=0.02)),
    case("barzilai-borwein, logistic", "logistic", solver="barzilai-borwein"),
    case("cg", solver="cg"),
    case("cg, several outputs", target="two", solver="cg", penalty=L2([0.1, 0.2, 0.3, 0.4])),
    case("lbfgs, softmax", "softmax", solver="lbfgs", penalty=L2(0.05)),
    case("lbfgs, huber", "huber", solver="lbfgs"),
    case("newton", solver="newton"),
    case("newton, logistic", "logistic", solver="newton"),
    case("newton, poisson", "poisson", solver="newton", standardize=False),
    case("newton, softmax", "softmax", solver="newton", penalty=L2(0.1)),
    case("newton, several outputs", target="two", solver="newton"),
    case("quasi-newton, logistic", "logistic", solver="quasi-newton"),
    case("quasi-newton, softmax", "softmax", solver="quasi-newton", penalty=L2(0.1)),
    case("quasi-newton, l1, poisson", "poisson", solver="quasi-newton", penalty=L1(0.1)),
    case("quasi-newton, non-negative, softmax", "softmax", solver="quasi-newton", penalty=NonNegative(l2=0.1)),
    case("minibatch", solver="minibatch"),
    case("minibatch, l1", solver="minibatch", penalty=L1(0.1), standardize=True),
    case("minibatch, softmax", "softmax", solver=MiniBatch(Constant(0.05), batch_size=7, averaging=True)),
    case("minibatch, stochastic", "huber", solver=MiniBatch(Decay(1, 50), batch_size=1, seed=3)),
    case("auto"),
    case("auto, non-negative, poisson", "poisson", penalty=NonNegative(l2=0.1)),
]
