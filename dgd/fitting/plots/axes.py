"""The axes that a display draws on: those that are given, or new ones."""

from __future__ import annotations

from typing import Any

from dgd.errors import ConfigurationError


def axes_of(ax: Any) -> Any:
    """The axes. Raises ConfigurationError where none are given and matplotlib is not installed."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ConfigurationError(
            "plots need matplotlib, which is not installed; `pip install 'dgd[plots]'`, or draw a report: `dgd.report`"
        ) from error
    return pyplot.subplots()[1]
