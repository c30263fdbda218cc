"""Commands whose passes are kept in a folder: what a signal leaves, and how the command goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dgd.cli.job import CHECKPOINTED
from dgd.cli.output import note
from dgd.cli.signals import raised_signals

checkpoint = click.option(
    "--checkpoint",
    metavar="DIR",
    help="Keep in a folder what each pass finds: interrupted, the same command goes on there [nowhere].",
)


def until_stopped(run: Callable[[], Any], folder: str | None, loss: Any) -> tuple[Any, int]:
    """What a call returns, and 0; after Ctrl-C or SIGTERM None, and the exit code, when what is kept has been said.

    loss: the squared one, or its name, takes one pass, which cannot be kept.
    """
    with raised_signals() as received:
        try:
            return run(), 0
        except KeyboardInterrupt:
            made = 0 if folder is None else len(list(Path(folder).glob("pass-*")))
            if folder is None:
                one_pass = getattr(loss, "name", loss) == "squared"
                hint = "" if one_pass else ": with --checkpoint DIR the same command goes on where it was"
                note(f"stopped; nothing is kept{hint}")
            elif not made:
                note("stopped before the end of the first pass")
            else:
                note(f"stopped after pass {made}; the same command goes on from {folder}")
            return None, CHECKPOINTED if made else 128 + (received[0] if received else signal.SIGINT)
