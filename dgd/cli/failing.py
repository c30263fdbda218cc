"""How a command line fails: the exit code, and what is said, on stderr and with --json on stdout as well."""

from __future__ import annotations

import click

from dgd.cli.in_options import in_options
from dgd.cli.output import note, print_json
from dgd.errors import ClusterLostError, ConfigurationError, DgdError

USAGE, DATA, CLUSTER, INTERRUPTED = 2, 3, 5, 130
PLACES = ("worker", "row", "column", "file", "path", "needed", "available")
"""What some errors say besides array, chunk and rows."""


def exit_code(error: BaseException) -> int:
    """The exit code of an error."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, (ConfigurationError, click.UsageError)):
        return USAGE
    if isinstance(error, ClusterLostError) or type(error).__module__.startswith("distributed"):
        return CLUSTER
    return DATA


def fail(error: BaseException, *, as_json: bool) -> int:
    """Say what went wrong, in the words of a shell; the exit code."""
    code, message = exit_code(error), message_of(error)
    note("stopped" if isinstance(error, KeyboardInterrupt) else f"error: {message}")
    if as_json:
        print_json({"error": {"code": code, "kind": type(error).__name__, "message": message, **_places(error)}})
    return code


def message_of(error: BaseException) -> str:
    """What went wrong, in a line."""
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "dgd"
        return f"{error.format_message()} (see `{command} --help`)"
    if isinstance(error, KeyboardInterrupt):
        return "stopped"
    return in_options(" ".join(str(error).split()))


def _places(error: BaseException) -> dict[str, object]:
    """Where it went wrong: array, chunk and rows, each None where it does not apply, and what else is known."""
    found: dict[str, object] = {name: getattr(error, name, None) for name in ("array", "chunk", "rows")}
    if isinstance(error, DgdError):
        found |= {name: value for name in PLACES if (value := getattr(error, name, None)) is not None}
    return {name: value if isinstance(value, int | tuple | None) else str(value) for name, value in found.items()}
