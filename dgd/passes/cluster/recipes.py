"""How the tasks that read the data are made: in the graph of a pass, or once more in a second one.

A second graph takes nothing from workers that are late: neither resident chunks nor a dataset that lies there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dask.task_spec import TaskRef
from distributed.protocol import pickle

from dgd.passes.cluster import tasks
from dgd.passes.cluster.graph import Graph
from dgd.passes.tree import Node


@dataclass(frozen=True)
class Sent:
    """A dataset as tasks get it: pickled, or as the result of a task."""

    source: bytes | TaskRef
    pickled: Callable[[], bytes]

    def within(self, graph: Graph) -> bytes | TaskRef:
        """For the tasks of a graph."""
        if isinstance(self.source, bytes) or not graph.is_second:
            return self.source
        return graph.once("dataset", tasks.opened, self.pickled())


@dataclass(frozen=True)
class SweepTask:
    """The task of one node."""

    dataset: Sent
    theta: bytes
    """The chunk sum, pickled: Dask would search any other object for tasks."""
    light: bool
    """Whether that is part of each task, and not the result of one."""
    node: Node
    known: bytes
    resident: TaskRef | None
    fresh: bool

    def __call__(self, graph: Graph, make: Callable[[str], TaskRef]) -> TaskRef:
        theta = self.theta if self.light else graph.once("theta", pickle.loads, self.theta)
        resident, fresh = (None, False) if graph.is_second else (self.resident, self.fresh)
        sent = self.dataset.within(graph)
        return graph.add("sweep", tasks.sweep, sent, theta, (*self.node,), resident, fresh, self.known)


@dataclass(frozen=True)
class FoldTask:
    """The task that takes a value through all chunks."""

    dataset: Sent
    fold: Any
    value: Any
    order: Sequence[int]
    chunks: range
    known: bytes

    def __call__(self, graph: Graph, make: Callable[[str], TaskRef]) -> TaskRef:
        sent = self.dataset.within(graph)
        return graph.add("fold", tasks.fold, sent, self.fold, self.value, self.order, self.chunks, self.known)
