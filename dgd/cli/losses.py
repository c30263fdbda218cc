"""The options that say which loss: --loss, with its parameter where it has one, and --classes."""

from __future__ import annotations

import functools
from dataclasses import fields
from typing import Any

import click

from dgd.cli.options import Command
from dgd.errors import ConfigurationError
from dgd.losses import LOSSES, Loss
from dgd.losses.other_names import OTHER_NAMES


def named_loss(ctx: click.Context, param: click.Parameter, value: str) -> Loss:
    """A loss by name, and behind a colon its parameters: `tweedie:power=1.4`."""
    name, _, rest = value.partition(":")
    if name not in LOSSES:
        hint = f"; take {OTHER_NAMES[name]}" if name in OTHER_NAMES else ""
        raise click.BadParameter(f"{name!r} is not one of {', '.join(LOSSES)}{hint}")
    parameters = dict(_parameter(name, text) for text in rest.split(",") if text)
    try:
        return LOSSES[name](**parameters)
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from None


def _parameter(name: str, text: str) -> tuple[str, float]:
    key, _, number = text.partition("=")
    known = _parameters(name)
    if key not in known:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise click.BadParameter(f"the loss {name} has no parameter {key!r}: {has}")
    try:
        return key, float(number)
    except ValueError:
        raise click.BadParameter(
            f"{key} of the loss {name} must be a number, as in {name}:{key}=1.5, got {number!r}"
        ) from None


def _parameters(name: str) -> list[str]:
    return [field.name for field in fields(LOSSES[name]) if field.name != "classes"]  # type: ignore[arg-type]


def _shown(name: str) -> str:
    known = ",".join(f"{parameter}=…" for parameter in _parameters(name))
    return f"{name}[:{known}]" if known else name


def losses(command: Command) -> Command:
    """The options --loss and --classes, as one loss."""

    @click.option(
        "--loss",
        callback=named_loss,
        default="squared",
        metavar="NAME[:P=…]",
        help=f"What is minimised: {', '.join(map(_shown, LOSSES))} [squared].",
    )
    @click.option("--classes", metavar="A,B,…", help="The labels that a target may have [for softmax, those it has].")
    @functools.wraps(command)
    def with_loss(*, loss: Loss, classes: str | None, **others: Any) -> int:
        return command(loss=_with_classes(loss, classes), **others)

    return with_loss


def _with_classes(loss: Loss, classes: str | None) -> Loss:
    if classes is None:
        return loss
    if not hasattr(loss, "classes"):
        known = ", ".join(name for name, kind in LOSSES.items() if hasattr(kind, "classes"))
        raise click.UsageError(f"--classes goes with --loss {known}, not with {loss.name}")
    return loss.with_classes(_label(text) for text in classes.split(","))


def _label(text: str) -> Any:
    """A label as a number where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
