"""What is said where pyarrow, an extra, is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dgd.errors import ConfigurationError


@contextmanager
def needing_pyarrow() -> Iterator[None]:
    """Imports that need it. Raises ConfigurationError with the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise ConfigurationError(
            'reading CSV and Parquet needs pyarrow, which is not installed: pip install "dgd[ingest]"'
        ) from error
