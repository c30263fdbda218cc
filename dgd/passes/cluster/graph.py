"""The task graph of one pass, as Dask's scheduler gets it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from dask.task_spec import List, Task, TaskRef
from distributed.protocol import pickle

from dgd.passes.cluster import tasks

FAN_IN = 8


Recipe = Callable[["Graph", Callable[[str], TaskRef]], TaskRef]
"""Adds a task to a graph; the second argument says where another task's result is, by its key."""


class Graph:
    """The tasks of one pass, to be submitted together."""

    def __init__(self, name: str, expected: Sequence[str]) -> None:
        self.name = name
        self.expected = expected
        """What workers compute with, see `tasks.run_as`."""
        self.tasks: dict[str, Task] = {}
        self.kept: list[str] = []
        """Keys whose results outlive the pass."""
        self.workers: list[str] | None = None
        """All workers, named explicitly: otherwise Dask queues root tasks and releases them one by one."""
        self.strict = False
        """Whether no other worker may have a part in it."""
        self.root = ""
        """The key of the result."""
        self.recipes: dict[str, Recipe] = {}
        """How a task is made again in another graph, by its key."""
        self.is_second = False
        """Whether it does what another one has not done."""
        self.chunks: dict[str, int] = {}
        """How many chunks each task that reads some has."""
        self._once: dict[str, TaskRef] = {}

    def add(self, what: str, function: Callable[..., Any], *arguments: Any) -> TaskRef:
        """Add a task. Dask learns from the first word of a key how long such tasks take.

        Nothing of dgd is in it but bytes: a worker that cannot unpickle a task ends, one whose task fails goes on.
        """
        key = f"dgd-{what}-{self.name}-{len(self.tasks)}"
        checked = pickle.dumps(partial(tasks.run_as, self.expected, function))
        self.tasks[key] = Task(key, operator.call, Task(None, pickle.loads, checked), *arguments)
        return TaskRef(key)

    def keep(self, what: str, function: Callable[..., Any], *arguments: Any) -> TaskRef:
        """A task whose result outlives the pass."""
        ref = self.add(what, function, *arguments)
        self.kept.append(ref.key)
        return ref

    def sum_of(self, level: list[TaskRef]) -> TaskRef:
        """The last task of a tree that adds the sums of neighbouring nodes."""
        while len(level) > 1:
            parts = [level[start : start + FAN_IN] for start in range(0, len(level), FAN_IN)]
            level = [self._sum([ref.key for ref in part]) for part in parts]
        return level[0]

    def _sum(self, keys: list[str]) -> TaskRef:
        return self.again(lambda graph, make: graph.add("sum", tasks.sum_of, List(*[make(key) for key in keys])))

    def again(self, recipe: Recipe) -> TaskRef:
        """Make a task by a recipe, and keep the recipe."""
        ref = recipe(self, TaskRef)
        self.recipes[ref.key] = recipe
        return ref

    def once(self, what: str, function: Callable[..., Any], *arguments: Any) -> TaskRef:
        """A task on which several others of this graph depend."""
        if what not in self._once:
            self._once[what] = self.add(what, function, *arguments)
        return self._once[what]


def tasks_over(nodes: int) -> int:
    """The tasks that sum `nodes` nodes: themselves, and the sums above them."""
    total = nodes
    while nodes > 1:
        nodes = -(-nodes // FAN_IN)
        total += nodes
    return total
