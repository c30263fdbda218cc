"""dgd's `fit` as it is, from Zarr: each pass is a point, and the solution that it returns."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from course import FOLDER, SETTINGS, Course, arrays, tell
from objective import Objective

import dgd
from dgd.losses import Softmax
from dgd.penalties import L2


def main() -> None:
    with ExitStack() as stack:
        where: dict[str, Any] = {"threads": 2}
        if SETTINGS["workers"]:
            from distributed import Client, LocalCluster

            cluster = stack.enter_context(LocalCluster(
                n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            ))  # fmt: skip
            where = {"client": stack.enter_context(Client(cluster))}
        tell(fitted(where))


def fitted(where: dict[str, Any]) -> dict[str, Any]:
    """The course of one fit."""
    facts = Objective(FOLDER)
    loss = Softmax(facts.outputs) if facts.loss == "softmax" else facts.loss
    dgd.fit(str(FOLDER / "few.zarr"), loss=loss, penalty=L2(1.0), max_iter=3, tol=1e-3, **where)
    course = Course()
    data = arrays(course) if SETTINGS["in_memory"] else (str(FOLDER / "train.zarr"),)

    def noted(record: Any) -> None:
        theta = record.theta.reshape(-1, facts.outputs)
        course.add(theta[1:].T, theta[0], last=True)

    penalty = L2(facts.l2) if facts.l2 else None
    result = dgd.fit(*data, loss=loss, penalty=penalty, precision=SETTINGS["precision"], callbacks=[noted], **where)
    course.add(result.coef_, result.intercept_, last=True)
    passes = " + ".join(f"{record.seconds:.2g}" for record in result.history[:6])
    more = " + …" if len(result.history) > 6 else ""
    chosen = result.choice.name if result.choice else ""
    return course.answer(
        f"{chosen}, {result.n_iter_} passes to its own end at {course.seconds[-1]:.3g} s: {passes}{more}"
    )


if __name__ == "__main__":
    main()
