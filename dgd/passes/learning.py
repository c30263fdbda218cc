"""The pass that finds what a design has to learn of a table: levels, means, boundaries, orthogonal polynomials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.design.columns import Frame
from dgd.data.design.design import Design, Facts
from dgd.data.design.opening import Learn
from dgd.errors import DataError
from dgd.passes.execution import Execution
from dgd.passes.plan import Need
from dgd.passes.session import session


@dataclass(frozen=True)
class DesignFacts:
    """The chunk sum: what the rows of a chunk teach, without those in which a cell of some columns is missing."""

    design: Design
    whole: tuple[str, ...]

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Facts:
        frame: Any = chunk.X
        assert isinstance(frame, Frame)
        return self.design.facts(frame, self.whole)


def learning(execution: Execution) -> Learn:
    """What makes the pass, on threads or a cluster: each used column is read once, by the fixed tree."""

    def learn(frames: Dataset, design: Design, whole: tuple[str, ...]) -> tuple[Facts, int]:
        with session(execution) as running:
            dataset = running.open(frames, Need())
            found = running.executor.sweep(dataset, DesignFacts(design, whole))
        if not found.value.rows:
            raise DataError(f"{frames.source}: each of its {frames.shape[0]:,} rows has a missing cell, none counts")
        return found.value, found.bytes_read

    return learn
