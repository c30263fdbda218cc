"""What a process computes with."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from dgd._version import __version__
from dgd.passes.blas import blas_kernel
from dgd.passes.sums.compiled.compiler import compiler


@cache
def software() -> dict[str, str]:
    """What this process computes with: versions, a digest of the package's source, the BLAS kernel and the
    compiler."""
    digest, folder = hashlib.sha256(), Path(__file__).parents[2]
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return {
        "dgd": __version__,
        "digest": digest.hexdigest()[:16],
        "numpy": np.__version__,
        "blas": blas_kernel(),
        "compiler": compiler(),
    }


def kernel(found: dict[str, str]) -> str:
    """The part of it that decides the bits of a sum."""
    return ", ".join(text for text in (f"NumPy {found['numpy']}", found["blas"], found.get("compiler", "")) if text)
