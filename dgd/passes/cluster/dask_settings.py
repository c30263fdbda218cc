"""What Dask's configuration says of dgd: `dgd:` in a YAML file of Dask's folders, DASK_DGD__…, or `dask.config.set`.

Importing Dask takes a tenth of a second, so it is asked only where it may have something to say.
"""

from __future__ import annotations

import os
import site
import sys
from functools import cache
from pathlib import Path
from typing import Any

SET_HERE = "dask.config.set"
SECTION = "dgd"
ENDINGS = {".json", ".yaml", ".yml"}


def value_of(key: str) -> Any:
    """The value under `dgd.some-name`, None if there is none; `some_name` is the same."""
    if not _may_say(key):
        return None
    from dask import config

    return config.get(key, default=None)


def names() -> list[str]:
    """The names in dgd's section."""
    from dask import config

    found = config.get(SECTION, default=None)
    return list(map(str, found)) if isinstance(found, dict) else []


def place_of(key: str, value: Any) -> str:
    """Where a value comes from: a variable, the last file that has it, or a call in this program."""
    from dask import config

    variable = variable_of(key)
    if variable in os.environ and config.interpret_value(os.environ[variable]) == value:
        return variable
    files = [
        str(path)
        for path, held in config.collect_yaml(config.paths, return_paths=True)
        if config.get(key, default=None, config=held) == value
    ]
    return files[-1] if files else SET_HERE


def variable_of(key: str) -> str:
    """The environment variable that sets an entry of Dask's configuration."""
    return "DASK_" + key.upper().replace(".", "__").replace("-", "_")


def folders() -> list[str]:
    """Dask's folders of configuration, as Dask finds them when it is imported."""
    found = [os.environ.get("DASK_ROOT_CONFIG", "/etc/dask"), *_of_python(), os.path.expanduser("~/.config/dask")]
    return list(dict.fromkeys([*found, *filter(None, [os.environ.get("DASK_CONFIG")])]))


@cache
def _of_python() -> tuple[str, ...]:
    return tuple(os.path.join(prefix, "etc", "dask") for prefix in (sys.prefix, *site.PREFIXES))


def _may_say(key: str) -> bool:
    """Whether Dask's configuration can have it: it is here already, or a variable, or a file that names dgd, does."""
    if "dask.config" in sys.modules:
        return True
    variables = ("DASK_INTERNAL_INHERIT_CONFIG", f"DASK_{SECTION.upper()}", variable_of(key))
    return any(name in os.environ for name in variables) or any(map(_names_dgd, folders()))


@cache
def _names_dgd(folder: str) -> bool:
    """Whether a file of a folder, or the file itself, has dgd's name in it."""
    place = Path(folder)
    try:
        files = [each for each in place.iterdir() if each.suffix.lower() in ENDINGS] if place.is_dir() else [place]
        return any(SECTION.encode() in each.read_bytes() for each in files if each.is_file())
    except OSError:
        return False
