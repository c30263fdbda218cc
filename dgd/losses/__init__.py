"""The losses, by name. A new one is a file here and a line below."""

from __future__ import annotations

from dgd.losses.base import Loss
from dgd.losses.squared import Squared

LOSSES: dict[str, type[Loss]] = {
    "squared": Squared,
}

__all__ = ["LOSSES", "Loss", "Squared"]
