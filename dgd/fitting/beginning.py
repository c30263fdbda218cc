"""What callbacks hear of a fit besides its passes: how it begins, and how it ends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dgd.data.dataset import Dataset
from dgd.errors.words import without_secrets
from dgd.fitting.problem import Method
from dgd.fitting.verdict.stopping import Callback, Stopping
from dgd.passes.plan import Plan

if TYPE_CHECKING:
    from dgd.fitting.result import Result


@dataclass(frozen=True)
class Beginning:
    """A fit that is about to make its first pass: what is fitted, how, until when, and what a pass costs."""

    data: str
    rows: int
    columns: int
    outputs: int
    target: str | None
    loss: str
    penalty: str
    solver: str
    because: str
    precision: str
    max_iter: int
    tol: float
    max_seconds: float | None
    chunks: int
    bytes_per_pass: int
    memory_bytes: int
    executor: str
    processes: int
    threads: int
    passes_before: int = 0
    """Passes that an earlier run has made, where this one goes on from its checkpoint."""

    @classmethod
    def of(
        cls, dataset: Dataset, method: Method, precision: str, stopping: Stopping, cost: Plan, passes_before: int
    ) -> Beginning:
        """The beginning of a fit by this method, at this cost."""
        return cls(
            data=without_secrets(dataset.source),
            rows=dataset.shape[0],
            columns=dataset.shape[1],
            outputs=method.outputs or 1,
            target=dataset.target_name,
            loss=method.loss.name,
            penalty=repr(method.penalty),
            solver=method.choice.name,
            because=method.choice.because,
            precision=precision,
            max_iter=stopping.max_iter,
            tol=stopping.tol,
            max_seconds=stopping.max_seconds,
            chunks=cost.chunks,
            bytes_per_pass=cost.bytes_per_pass,
            memory_bytes=cost.memory_bytes,
            executor=cost.kind,
            processes=cost.processes,
            threads=cost.threads,
            passes_before=passes_before,
        )

    def as_json(self) -> dict[str, Any]:
        """The fields as plain values; a number that is not finite is None."""
        return {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in asdict(self).items()}


class Listeners:
    """Those of the callbacks of a fit that have a method `on_start` or `on_end`."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = callbacks
        self._told = False

    def begins(self, beginning: Beginning) -> None:
        """Tell them how the fit begins."""
        self._call("on_start", beginning)

    def ends(self, result: Result | None, error: BaseException | None = None) -> None:
        """Tell them, once, what the fit returns, or raises."""
        if not self._told:
            self._told = True
            self._call("on_end", result, error)

    def _call(self, name: str, *arguments: Any) -> None:
        for callback in self._callbacks:
            if hasattr(callback, name):
                getattr(callback, name)(*arguments)


@contextmanager
def listeners(callbacks: Sequence[Callback]) -> Iterator[Listeners]:
    """Who hears of a fit; an error out of it is its end."""
    found = Listeners(callbacks)
    try:
        yield found
    except BaseException as error:
        found.ends(getattr(error, "result", None), error)
        raise
