"""Settings: what says where and how dgd runs where a call, or an option of the shell, does not.

call or option  >  environment variable DGD_NAME  >  `dgd.name` in Dask's configuration  >  default

None of them changes a bit of a result. What decides one (loss, penalty, solver, `tol`, `precision`, the data) is said
by each call, and has no setting: the same command is to mean the same on any machine. Nor have files that belong to
one fit, such as its model and its checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dgd.errors import ConfigurationError
from dgd.errors.words import bytes_in, shown, without_secrets

YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True)
class Setting:
    """What can be set."""

    name: str
    default: Any
    expected: str
    """What a value must be, in words."""
    read: Callable[[Any], Any]
    """The value of a text of the environment, or of what YAML makes of one; raises ValueError."""
    meaning: str
    library: bool = True
    """Whether calls of Python take it as well as the shell."""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"DGD_{self.name.upper()}"

    @property
    def key(self) -> str:
        """In Dask's configuration."""
        return f"dgd.{self.name.replace('_', '-')}"


@dataclass(frozen=True)
class Found:
    """The value of a setting."""

    name: str
    value: Any
    source: str
    """"option", "environment", "dask" or "default"."""
    where: str
    """The option, the variable, the file, or "default"."""


def value_of(name: str) -> Any:
    """The value of a setting. Raises ConfigurationError, which names its source, for a value that cannot be."""
    return found(name).value


def found(name: str) -> Found:
    """The value of a setting, and where it comes from. An empty variable and a null are none."""
    setting = SETTINGS[name]
    if text := os.environ.get(setting.variable, "").strip():
        return Found(name, _read(setting, text, setting.variable), "environment", setting.variable)
    from dgd.passes.cluster import dask_settings

    value = dask_settings.value_of(setting.key)
    if value is None:
        return Found(name, setting.default, "default", "default")
    return Found(name, _read(setting, value, None), "dask", dask_settings.place_of(setting.key, value))


def given(name: str, text: Any) -> Found:
    """The value that an option gives."""
    option = f"--{name.replace('_', '-')}"
    return Found(name, _read(SETTINGS[name], text, option), "option", option)


def scheduler_found() -> Found | None:
    """The scheduler, or the file that names it, by the settings; None if neither is set."""
    both = [each for each in map(found, ("scheduler", "scheduler_file")) if each.value is not None]
    if len(both) == 2 and both[0].source == both[1].source:
        raise ConfigurationError(f"{both[0].where} and {both[1].where} exclude each other: set one of them")
    return min(both, key=lambda each: each.source != "environment", default=None)


def unknown() -> list[str]:
    """Variables DGD_… and keys `dgd.…` that are no setting: other programs', or mistakes."""
    from dgd.passes.cluster import dask_settings

    variables = {name for name in os.environ if name.startswith("DGD_")}
    keys = {f"dgd.{name.replace('_', '-')}" for name in dask_settings.names()}
    known = {name for setting in SETTINGS.values() for name in (setting.variable, setting.key)}
    return sorted((variables | keys) - known)


def _read(setting: Setting, value: Any, where: str | None) -> Any:
    """The value of what a source holds; where: its name, None for Dask's configuration."""
    try:
        return setting.read(value)
    except ValueError:
        pass
    if where is None:
        from dgd.passes.cluster import dask_settings

        where = f"{setting.key} in {dask_settings.place_of(setting.key, value)}"
    told = without_secrets(value) if isinstance(value, str) and value.isprintable() else shown(value)
    raise ConfigurationError(f"{where}={told:.80}: expected {setting.expected}")


def _whole(value: Any) -> int:
    number = int(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ValueError
    return number


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not float(value) > 0:
        raise ValueError
    return float(value)


def _bytes(value: Any) -> int:
    found = bytes_in(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if found is None:
        raise ValueError
    return found


def _bytes_or_auto(value: Any) -> str | int:
    if value == "auto":
        return "auto"
    return 0 if value in ("0", 0) and not isinstance(value, bool) else _bytes(value)


def _every(value: Any) -> str | float:
    return "pass" if value == "pass" else _seconds(value)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in (*YES, *NO):
        raise ValueError
    return str(value).lower() in YES


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError
    return value


def _report_or_require(value: Any) -> str:
    if value not in ("report", "require"):
        raise ValueError
    return str(value)


WHOLE, SECONDS, FLAG = "a whole number of 1 or more", "a number of seconds above 0", "true or false"
SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("scheduler", None, "an address, like tcp://host:8786", _text, "the cluster to run on", library=False),
        Setting("scheduler_file", None, "a path", _text, "the same, the address taken from a file", library=False),
        Setting("threads", None, WHOLE, _whole, "threads of this process, where no cluster is named"),
        Setting("memory_limit", None, "a size, like 2GiB", _bytes, "memory that one process may hold"),
        Setting("resident", "auto", "auto, 0 or a size, like 2GiB", _bytes_or_auto, "memory that chunks stay in"),
        Setting("worker_timeout", 300.0, SECONDS, _seconds, "seconds without a worker until a cluster is lost"),
        Setting("read_timeout", 120.0, SECONDS, _seconds, "seconds that reading a chunk may take"),
        Setting("same_bits", "report", "report or require", _report_or_require, "workers with another NumPy or BLAS"),
        Setting("require_tls", False, FLAG, _flag, "refuse a scheduler that is not reached by TLS"),
        Setting("dashboard", True, FLAG, _flag, "fits at /dgd on the scheduler's HTTP server"),
        Setting("checkpoint_every", 60.0, "a number of seconds above 0, or pass", _every, "between checkpoints", False),
        Setting("log", None, "a path", _text, "a file that what happens is added to", library=False),
        Setting("quiet", False, FLAG, _flag, "no progress on stderr", library=False),
        Setting("verbose", False, FLAG, _flag, "plan, passes and all digits", library=False),
    )
}
"""All of them, by name; an option and an argument of `dgd.Execution` have the same one. None: what there is."""
