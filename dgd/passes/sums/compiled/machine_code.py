"""How functions of this folder are compiled: to run without Python's lock, once for each kind of argument.

Those that are called from Python keep their machine code: numba has it beside the file, by the function's name and the
file's age. What they call becomes part of it, from other files as well: so the name has a digest of all files of the
folder. It does so wherever it is called: a function that were called as such would be optimised apart in the process
that compiles it, and together with its caller in those that load it, with other bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import event as events

from dgd.passes.sums.compiled.compiler import keeps_code, note_making

_SOURCE = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()
_IN_ANY_ORDER = {"contract", "reassoc", "nsz"}


def exact(function: Callable[..., Any]) -> Any:
    """Sums in the order that is written; a product that is added is not rounded before."""
    return numba.njit(nogil=True, error_model="numpy", fastmath={"contract"}, forceinline=True)(function)


def in_any_order(function: Callable[..., Any]) -> Any:
    """Sums in the order that is quickest."""
    return numba.njit(nogil=True, error_model="numpy", fastmath=_IN_ANY_ORDER, forceinline=True)(function)


def called_from_python(function: Callable[..., Any]) -> Any:
    """As `exact`; its machine code is kept, if there is a folder where it can be."""
    function.__qualname__ = f"{function.__name__}_{_SOURCE[:16]}"
    try:
        return numba.njit(nogil=True, error_model="numpy", fastmath={"contract"}, cache=keeps_code())(function)
    except RuntimeError:  # numba finds no such folder
        return exact(function)


class _Making(events.Listener):  # type: ignore[misc]
    """Notes when functions of this folder are made, which takes seconds; reading code that was kept does not."""

    def on_start(self, event: Any) -> None:
        """numba begins."""
        if _is_ours(event):
            note_making(begins=True)

    def on_end(self, event: Any) -> None:
        """It is done, or has failed."""
        if _is_ours(event):
            note_making(begins=False)


def _is_ours(event: Any) -> bool:
    return str(event.data["dispatcher"].py_func.__module__).startswith(f"{__package__}.")


events.register("numba:compile", _Making())
