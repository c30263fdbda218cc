"""The fixed reduction tree: in which order partial sums are added, as data.

    level 2            (2,0)                 node (level, i) covers the chunks [i·2ˡ, (i+1)·2ˡ), clipped
    level 1       (1,0)     (1,1)            its sum is left + right, or left alone where there is no right
    level 0     0     1   2     3 …          a leaf is one chunk

The tree belongs to the data: it depends on the number of chunks alone. Cutting it into tasks at any level, and
adding the tasks' sums with any power-of-two fan-in, makes the same additions in the same order, hence the same
bits, on any number of threads or workers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar


class Addable(Protocol):
    """What can be summed over the tree. With a method `absorb(other)` it is, in the memory of the first."""

    def __add__(self, other: Self, /) -> Self: ...


A = TypeVar("A", bound=Addable)


class Node(NamedTuple):
    """One node of the tree: its level above the chunks, and its place on that level."""

    level: int
    place: int

    def chunks(self, n_chunks: int) -> range:
        """The chunks below this node."""
        return range(self.place << self.level, min((self.place + 1) << self.level, n_chunks))


def nodes_at(level: int, n_chunks: int) -> list[Node]:
    """All nodes of one level, left to right."""
    return [Node(level, place) for place in range(-(-n_chunks >> level))]


def cut_level(n_chunks: int, max_nodes: int) -> int:
    """The lowest level that has at most `max_nodes` nodes."""
    level = 0
    while -(-n_chunks >> level) > max(1, max_nodes):
        level += 1
    return level


def sum_node(node: Node, n_chunks: int, leaf: Callable[[int], A]) -> A:
    """The sum of `leaf(k)` over the chunks of a node; `node.level + 1` sums are alive at most."""
    return _sum(*node, n_chunks, leaf)


def _sum(level: int, place: int, n_chunks: int, leaf: Callable[[int], A]) -> A:
    if level == 0:
        return leaf(place)
    level, place = level - 1, 2 * place
    total = _sum(level, place, n_chunks, leaf)
    if (place + 1) << level >= n_chunks:
        return total
    return absorbed(total, _sum(level, place + 1, n_chunks, leaf))


def absorbed(left: A, right: A) -> A:
    """left + right, of which neither is used again."""
    absorb: Any = getattr(left, "absorb", None)
    found: A = left + right if absorb is None else absorb(right)
    return found


def sum_siblings(sums: Sequence[A]) -> A:
    """The sum of neighbouring nodes of one level, added pairwise as the tree does.

    `sums` must begin at a node whose place is a multiple of the next power of two at or above their number;
    the result is then the sum of the tree's node above them.
    """
    level = list(sums)
    while len(level) > 1:
        paired = [left + right for left, right in zip(level[::2], level[1::2], strict=False)]
        level = paired + level[2 * len(paired) :]
    return level[0]


class Gathered(Generic[A]):
    """The sum of all nodes of a level, whose sums come in any order and from several threads.

    Siblings are added once both are there, by who brought the second: the additions are those of `sum_siblings`. Where
    nodes are begun in their order, at most one sum waits on each level above a node that is being summed, or is next.
    """

    total: A

    def __init__(self, count: int) -> None:
        self._count, self._lock = count, threading.Lock()
        self._waiting: dict[Node, A] = {}

    def add(self, place: int, found: A) -> None:
        """The sum of the node at a place of the level; it is not used again."""
        level, count = 0, self._count
        while count > 1:
            if (sibling := place ^ 1) < count:
                with self._lock:
                    other = self._waiting.pop(Node(level, sibling), None)
                    if other is None:
                        self._waiting[Node(level, place)] = found
                        return
                found = absorbed(other, found) if sibling < place else absorbed(found, other)
            level, place, count = level + 1, place >> 1, (count + 1) >> 1
        self.total = found
