"""`dgd config show`: the settings, their values, and where each comes from."""

from __future__ import annotations

from typing import Any

import click

from dgd.cli import options
from dgd.cli.output import print_json, say
from dgd.errors.words import finite_or_none, visible, without_secrets
from dgd.passes import settings
from dgd.passes.settings import SETTINGS, Found

SCHEMA = 1


@click.group
def config() -> None:
    """Settings: what says where and how dgd runs where a command does not.

    \b
    dgd config show
    DGD_THREADS=2 dgd config show
    """


def with_settings(command: options.Command) -> options.Command:
    """An option for each setting."""
    for setting in reversed(SETTINGS.values()):
        is_flag, option = isinstance(setting.default, bool), setting.name.replace("_", "-")
        named = [f"--{option}" + f"/--no-{option}" * (setting.default is True), setting.name]
        how: dict[str, Any] = {"is_flag": True} if is_flag else {"metavar": "VALUE"}
        command = click.option(*named, **how, default=None, help=f"{setting.meaning.capitalize()}.")(command)
    return command


@config.command
@with_settings
@options.as_json
def show(as_json: bool, **options: Any) -> int:
    """Show each setting, its value, and where it comes from.

    That is an option of the command, else a variable DGD_NAME, else `dgd: name:` in Dask's configuration (a YAML file
    in ~/.config/dask, or DASK_DGD__NAME), else the default. None of them changes a result: what does, such as the loss
    or --tol, is said by each command.
    """
    found = [
        settings.given(name, value) if (value := options[name]) is not None else settings.found(name)
        for name in SETTINGS
    ]
    if as_json:
        print_json({"schema": SCHEMA, "settings": list(map(document, found)), "unknown": settings.unknown()})
        return 0
    rows = [("setting", "value", "from"), *((each.name, written(each.value), visible(each.where)) for each in found)]
    widths = [max(len(row[column]) for row in rows) + 2 for column in (0, 1)]
    say("\n".join(f"{name:<{widths[0]}}{value:<{widths[1]}}{where}" for name, value, where in rows))
    if others := settings.unknown():
        say(f"\nno settings of dgd: {', '.join(map(visible, others))}")
    return 0


def document(found: Found) -> dict[str, Any]:
    """A setting as JSON."""
    setting = SETTINGS[found.name]
    return {
        "name": found.name,
        "value": without_secrets(found.value) if isinstance(found.value, str) else finite_or_none(found.value),
        "source": found.source,
        "where": found.where,
        "variable": setting.variable,
        "key": setting.key,
        "default": setting.default,
        "expected": setting.expected,
        "meaning": setting.meaning,
        "library": setting.library,
    }


def written(value: Any) -> str:
    """A value as the environment would have it; - for none."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else visible(without_secrets(str(value)))


__all__ = ["config"]
