"""Completion in a shell: `eval "$(_DGD_COMPLETE=bash_source dgd)"`, or with zsh_source.

In fish: `_DGD_COMPLETE=fish_source dgd | source`.
"""

from __future__ import annotations

import click
from click.shell_completion import shell_complete

PATHS = {"store", "model", "model_path", "files", "out", "checkpoint", "summary", "stores", "data", "folder"}
"""Arguments that name a file or folder."""
PATH_METAVARS = ("FILE", "DIR", "STORE", "MODEL.dgd", "MAPS.zarr", "OUT", "PLACE", "SUMMARY.dgd")


def complete(commands: click.Group, variable: str, instruction: str) -> int:
    """Print what the shell asks for by an environment variable; the exit code."""
    return shell_complete(_WithPaths(commands), {}, "dgd", variable, instruction)


class _WithPaths(click.Group):
    """The same commands, whose paths are completed by the shell."""

    def __init__(self, commands: click.Group) -> None:
        super().__init__(commands.name, params=commands.params)
        self._of = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._of.list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = self._of.get_command(ctx, cmd_name)
        for param in [] if command is None else command.params:
            if param.type is click.STRING and (
                param.name in PATHS if isinstance(param, click.Argument) else param.metavar in PATH_METAVARS
            ):
                param.type = click.Path()
        return command
