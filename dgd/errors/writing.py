"""Errors of the system while dgd writes, as a WriteError."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from dgd.errors import ConfigurationError, DgdError, WriteError
from dgd.errors.checks import is_file_name

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Within it, an OSError is a WriteError that names `path`, what is written, and the way out.

    Errors of dgd pass as they are, those that are an OSError too. A path that no file can have is a ConfigurationError.
    """
    if not is_file_name(os.fspath(path)):
        raise ConfigurationError(f"no file can have the name {os.fspath(path)!r}; give another path")
    try:
        yield
    except DgdError:
        raise
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise WriteError(
            f"{os.fspath(path)} cannot be written: {reason}; {_way_out(error.errno)}",
            path=os.fspath(path),
            errno=error.errno,
        ) from error


def _way_out(number: int | None) -> str:
    if number in FULL:
        return "free some space there, or give a path on another disk, then write it again"
    if number in FORBIDDEN:
        return "give a path that this user may write to, or change its permissions"
    if number == errno.EISDIR:
        return "that is a folder; give the name of a file"
    if number in {errno.ENOENT, errno.ENOTDIR}:
        return "make its folder first, or give another path"
    return "check the disk, or give another path, then write it again"
