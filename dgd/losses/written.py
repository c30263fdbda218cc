"""Losses as they are written, such as `Tweedie(power=1.4)`: what `repr` says of a loss with parameters, read back."""

from __future__ import annotations

import re
from typing import Any

from dgd.errors import ConfigurationError
from dgd.losses import LOSSES, Loss

CALL = re.compile(r"(\w+)\((.*)\)", re.DOTALL)


def loss_as_written(name: str, written: Any) -> Loss | None:
    """The loss of that name with the parameters that are written; None where it has none, or they cannot be read."""
    found = CALL.fullmatch(written) if isinstance(written, str) else None
    if found is None or name not in LOSSES or LOSSES[name].__name__ != found[1] or not found[2]:
        return None
    try:
        parameters = dict(_parameter(text) for text in found[2].split(", "))
        return LOSSES[name](**parameters)
    except (ValueError, TypeError, ConfigurationError):
        return None


def _parameter(text: str) -> tuple[str, float]:
    key, equals, number = text.partition("=")
    if not equals:
        raise ValueError(text)
    return key, float(number)
