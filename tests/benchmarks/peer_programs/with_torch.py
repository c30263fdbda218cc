"""PyTorch's L-BFGS with its strong Wolfe search over all rows at once, float32; every evaluation is a point."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from course import FOLDER, Course, Enough, arrays, few, tell
from objective import Objective
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss, poisson_nll_loss


def main() -> None:
    torch.set_num_threads(2)
    descend(Objective(FOLDER), *few(), lambda *_: None, most=3)
    course = Course()
    with suppress(Enough):
        descend(course.objective, *arrays(course), course.add)
    tell(course.answer("float32"))


def descend(facts: Objective, rows: Any, targets: Any, add: Callable[..., None], most: int = 10_000) -> None:
    """Minimise until it stops or has had enough."""
    X, y = torch.from_numpy(rows), torch.from_numpy(targets)
    loss = {
        "squared": lambda eta: 0.5 * mse_loss(eta[:, 0], y),
        "logistic": lambda eta: binary_cross_entropy_with_logits(eta[:, 0], y),
        "poisson": lambda eta: poisson_nll_loss(eta[:, 0], y),
        "softmax": lambda eta: cross_entropy(eta, labels),
    }[facts.loss]
    labels = y.long() if facts.loss == "softmax" else y
    B = torch.zeros(facts.outputs, X.shape[1], requires_grad=True)
    c = torch.zeros(facts.outputs, requires_grad=True)
    solver = torch.optim.LBFGS(
        [B, c], max_iter=most, max_eval=100_000, tolerance_grad=1e-12, tolerance_change=1e-15,
        history_size=10, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Any:
        solver.zero_grad()
        value = loss(torch.addmm(c, X, B.T)) + 0.5 * facts.l2 * (B * B).sum()
        value.backward()
        add(B.detach().numpy(), c.detach().numpy())
        return value

    solver.step(closure)


if __name__ == "__main__":
    main()
