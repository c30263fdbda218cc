"""How functions of this folder are compiled: to run without Python's lock, once for each kind of argument.

numba keeps the machine code of a function beside its file, by its name and the file's age. Functions that are called
from other files become part of it: so the name has a digest of all files of the folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_SOURCE = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()


def _compiled(fastmath: set[str]) -> Callable[[Callable[..., Any]], Any]:
    def decorate(function: Callable[..., Any]) -> Any:
        options: dict[str, Any] = {"nogil": True, "fastmath": fastmath, "error_model": "numpy"}
        function.__qualname__ = f"{function.__name__}_{_SOURCE[:16]}"
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # there is no folder that the code could be kept in
            return numba.njit(**options)(function)

    return decorate


exact = _compiled({"contract"})
"""Sums in the order that is written; a product that is added is not rounded before."""
in_any_order = _compiled({"contract", "reassoc", "nsz"})
"""Sums in the order that is quickest."""
