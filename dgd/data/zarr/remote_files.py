"""Single files behind URLs, brought here whole by fsspec: tables, which are read several times and not in chunks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fsspec

from dgd.data.zarr.secrets import secrets_in, without
from dgd.errors import ConfigurationError, DatasetNotFoundError, ReadError
from dgd.errors.words import without_secrets

PIECE_BYTES = 1 << 22


def fetch_file(url: str, options: Mapping[str, Any] | None, path: Path, tell: Callable[[int], object]) -> None:
    """Write the file behind a URL to a path, in pieces of some MiB; not before it is whole. `tell` hears of the bytes.

    Raises DatasetNotFoundError, ReadError or ConfigurationError, none of which tells a secret.
    """
    draft = path.with_name(f"{path.name}.partial")
    try:
        with fsspec.open(url, "rb", **(options or {})) as source, draft.open("wb") as file:
            while piece := source.read(PIECE_BYTES):
                file.write(piece)
                tell(file.tell())
        os.replace(draft, path)
    except Exception as error:
        told, secrets = without_secrets(url), secrets_in(options or {})
        hidden = told != url or bool(secrets)
        reason = type(error).__name__ if told != url else f"{type(error).__name__}: {without(secrets, str(error))}"
        cause = None if hidden else error
        if isinstance(error, ImportError):
            raise ConfigurationError(
                f"{told} needs fsspec and the package of its protocol: {reason}; install them, or download it yourself"
            ) from cause
        if isinstance(error, FileNotFoundError):
            raise DatasetNotFoundError(f"nothing is at {told} ({reason}); check the URL") from cause
        raise ReadError(f"{told} cannot be read ({reason}); check the URL and the storage options") from cause
    finally:
        draft.unlink(missing_ok=True)
