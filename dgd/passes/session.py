"""A session: choose an executor, plan, check, read ahead, make passes, close.

with session(Execution(threads=2)) as running:
    dataset = running.open(dataset, Need(outputs=3))       # raises PlanError where it does not fit
    running.executor.sweep(dataset, chunk_sum)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from dgd.data.dataset import Dataset
from dgd.passes import choose
from dgd.passes.events import Event, Tell
from dgd.passes.execution import Execution
from dgd.passes.executor import Executor
from dgd.passes.larger_chunks import room_beyond
from dgd.passes.plan import Need, Plan, make_plan


@dataclass(frozen=True)
class Session:
    """An executor, and what its passes may take."""

    executor: Executor
    resident: str | int = 0
    """What chunks may stay in from pass to pass: bytes of each process, or "auto"."""
    read_timeout: float = 120.0
    """Seconds that reading a stored chunk may take."""

    def plan(self, dataset: Dataset, need: Need) -> Plan:
        """What the passes over a dataset cost; nothing is read."""
        return make_plan(dataset, self.executor.resources(dataset), need, resident=self.resident)

    def start(self, dataset: Dataset, plan: Plan) -> Dataset:
        """The dataset as its passes are to read it. Raises PlanError where the plan does not fit."""
        plan.check()
        dataset = self.reading(dataset, plan)
        self.executor.make_resident(dataset, plan.resident_chunks)
        return dataset

    def reading(self, dataset: Dataset, plan: Plan) -> Dataset:
        """A dataset that is read as planned, and waited for no longer than allowed."""
        room = room_beyond(plan.memory_bytes, plan.memory_limit)
        return replace(dataset.reading_ahead(plan.ahead).waiting_at_most(self.read_timeout), room=room)

    def open(self, dataset: Dataset, need: Need) -> Dataset:
        """Plan and start."""
        return self.start(dataset, self.plan(dataset, need))


@contextmanager
def session(execution: Execution, tell: Tell | None = None) -> Iterator[Session]:
    """A session that gives back threads and workers' memory at its end.

    tell: hears of its passes and may end them; by default whom the execution names hears of them.
    """
    with closing(choose.choose_executor(execution, tell or _hearing(execution))) as executor:
        yield Session(executor, execution.resident, execution.read_timeout)


def _hearing(execution: Execution) -> Tell:
    def hear(event: Event) -> None:
        if execution.on_event is not None:
            execution.on_event(event)

    return hear
