"""The penalties, by name. A new one is a file here and a line below."""

from __future__ import annotations

from dgd.penalties.base import Penalty
from dgd.penalties.box import Box
from dgd.penalties.elastic_net import ElasticNet
from dgd.penalties.l1 import L1
from dgd.penalties.l2 import L2
from dgd.penalties.non_negative import NonNegative
from dgd.penalties.nothing import NoPenalty

PENALTIES: dict[str, type[Penalty]] = {
    "none": NoPenalty,
    "l2": L2,
    "l1": L1,
    "elastic_net": ElasticNet,
    "box": Box,
    "non_negative": NonNegative,
}

__all__ = ["L1", "L2", "PENALTIES", "Box", "ElasticNet", "NoPenalty", "NonNegative", "Penalty"]
