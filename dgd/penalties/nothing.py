"""No penalty: 0 for every b."""

from __future__ import annotations

from dgd.penalties.separable import Separable


class NoPenalty(Separable):
    """No penalty: the objective is the mean loss alone."""

    name = "none"
    arguments = ()

    def __init__(self) -> None:
        super().__init__()
