"""A saved model that was tampered with by somebody who can compute the seal."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_anew(path: Path, content: bytes) -> None:
    """Write a file; writing over one makes some file systems wait for the disk."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def document_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "model.json").read_bytes())
    return document


def reseal(folder: Path, document: dict[str, Any]) -> None:
    """Write the document with a seal that fits."""
    document.pop("seal", None)
    document["seal"] = sha256(json.dumps(document, sort_keys=True).encode())
    write_anew(folder / "model.json", json.dumps(document).encode())


def replace_array(folder: Path, name: str, content: bytes) -> None:
    """Write an array's file, with a digest and a seal that fit."""
    write_anew(folder / name, content)
    document = document_of(folder)
    document["sha256"][name] = sha256(content)
    reseal(folder, document)
