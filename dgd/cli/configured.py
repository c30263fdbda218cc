"""Options whose default is a setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from dgd.passes import settings


def configured(name: str) -> Callable[[], Any]:
    """What an option is where the command line has none: the setting of its name, see `dgd config show`."""

    def value() -> Any:
        completing = click.get_current_context().resilient_parsing
        return settings.SETTINGS[name].default if completing else settings.value_of(name)

    return value
