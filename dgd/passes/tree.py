"""The fixed reduction tree: in which order partial sums are added, as data.

    level 2            (2,0)                 node (level, i) covers the chunks [i·2ˡ, (i+1)·2ˡ), clipped
    level 1       (1,0)     (1,1)            its sum is left + right, or left alone where there is no right
    level 0     0     1   2     3 …          a leaf is one chunk

The tree belongs to the data: it depends on the number of chunks alone. Cutting it into tasks at any level, and
adding the tasks' sums with any power-of-two fan-in, makes the same additions in the same order, hence the same
bits, on any number of threads or workers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, Self, TypeVar


class Addable(Protocol):
    """What can be summed over the tree."""

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
    level, place = node
    if level == 0:
        return leaf(place)
    total = sum_node(Node(level - 1, 2 * place), n_chunks, leaf)
    right = Node(level - 1, 2 * place + 1)
    if right.place << right.level >= n_chunks:
        return total
    return total + sum_node(right, n_chunks, leaf)


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
