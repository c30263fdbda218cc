"""What the arrays of a dataset are for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """What an array of a dataset is for."""

    name: str
    dimensions: tuple[int, ...]
    """How many it may have."""
    labels: bool = False
    """Whether its values may be strings."""


ROLES = (
    Role("X", (2,)),
    Role("y", (1, 2), labels=True),
    Role("weight", (1,)),
    Role("offset", (1, 2)),
    Role("groups", (1,), labels=True),
)
"""A further role is a line here, and a field of `Chunk` and of `Dataset`."""
ROLE_NAMES = tuple(role.name for role in ROLES)
