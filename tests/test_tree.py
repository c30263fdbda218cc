"""The reduction tree: the same additions, wherever it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgd.passes.tree import Gathered, Node, cut_level, nodes_at, sum_node, sum_siblings


class Traced(str):
    """Addition written out: two sums are equal only if they were added in the same order."""

    def __add__(self, other: str) -> Traced:
        return Traced(f"({self}+{other})")


def leaf(index: int) -> Traced:
    return Traced(str(index))


def whole(n_chunks: int) -> Traced:
    return sum_node(Node(cut_level(n_chunks, 1), 0), n_chunks, leaf)


def test_order_of_additions() -> None:
    assert whole(1) == "0"
    assert whole(2) == "(0+1)"
    assert whole(5) == "(((0+1)+(2+3))+4)"
    assert whole(7) == "(((0+1)+(2+3))+((4+5)+6))"


@given(n_chunks=st.integers(1, 300), max_nodes=st.integers(1, 80), fan_in=st.sampled_from([2, 4, 8]))
def test_every_cut_and_fan_in_makes_the_same_additions(n_chunks: int, max_nodes: int, fan_in: int) -> None:
    nodes = nodes_at(cut_level(n_chunks, max_nodes), n_chunks)
    assert len(nodes) <= max_nodes
    sums = [sum_node(node, n_chunks, leaf) for node in nodes]
    assert sum_siblings(sums) == whole(n_chunks)
    while len(sums) > 1:
        sums = [sum_siblings(sums[i : i + fan_in]) for i in range(0, len(sums), fan_in)]
    assert sums[0] == whole(n_chunks)


@given(order=st.integers(1, 80).flatmap(lambda count: st.permutations(range(count))))
def test_in_whatever_order_nodes_come_the_same_additions_are_made(order: list[int]) -> None:
    gathered: Gathered[Traced] = Gathered(len(order))
    for place in order:
        gathered.add(place, leaf(place))
    assert gathered.total == whole(len(order))


@pytest.mark.parametrize("n_chunks", [1, 2, 5, 32, 33, 1000])
def test_few_sums_wait_where_nodes_come_nearly_in_order(n_chunks: int) -> None:
    """One for each level above the node that is late, and one for each above the last that has come."""
    gathered: Gathered[Traced] = Gathered(n_chunks)
    for place in [*range(1, n_chunks), 0]:
        assert len(gathered._waiting) <= 2 * n_chunks.bit_length()
        gathered.add(place, leaf(place))
    assert gathered.total == whole(n_chunks)


@given(n_chunks=st.integers(1, 1000), max_nodes=st.integers(1, 100))
def test_a_cut_covers_every_chunk_once(n_chunks: int, max_nodes: int) -> None:
    level = cut_level(n_chunks, max_nodes)
    assert [k for node in nodes_at(level, n_chunks) for k in node.chunks(n_chunks)] == list(range(n_chunks))
    assert level == 0 or len(nodes_at(level - 1, n_chunks)) > max_nodes


@pytest.mark.parametrize("n_chunks", [1, 2, 3, 1000, 1024, 1025])
def test_few_sums_are_alive_at_once(n_chunks: int) -> None:
    """The memory of a node is level + 1 partials."""
    alive, most = 0, 0

    class Counted:
        def __init__(self) -> None:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __add__(self, other: Counted) -> Counted:
            nonlocal alive
            alive -= 2
            return Counted()

    level = cut_level(n_chunks, 1)
    sum_node(Node(level, 0), n_chunks, lambda index: Counted())
    assert most <= level + 1


def test_sums_of_arrays_are_placed_by_slot() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(37, 4)) * 10.0 ** rng.integers(-12, 12, size=(37, 1))
    expected = sum_node(Node(6, 0), 37, lambda k: values[k])
    for max_nodes in (1, 2, 5, 16, 37):
        nodes = nodes_at(cut_level(37, max_nodes), 37)
        found = sum_siblings([sum_node(node, 37, lambda k: values[k]) for node in nodes])
        assert (found == expected).all()
