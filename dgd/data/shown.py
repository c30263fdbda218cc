"""A dataset as a notebook shows it: a few lines of HTML, whatever its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgd.errors.markup import facts
from dgd.errors.words import without_secrets

if TYPE_CHECKING:
    from dgd.data.dataset import Dataset

NAMES = 12
"""Columns that are named."""


def dataset_html(dataset: Dataset) -> str:
    """Its size, chunks and arrays; nothing is read."""
    m, n = dataset.shape
    pairs: list[tuple[str, object]] = [
        ("source", without_secrets(dataset.source)),
        ("rows × columns", f"{m:,} × {n:,}"),
        ("chunks", f"{dataset.n_chunks:,} of at most {dataset.chunk_rows:,} rows"),
    ]
    for role, rows in dataset.by_role.items():
        pairs.append((role, f"{rows.dtype}, {' × '.join(f'{k:,}' for k in rows.shape)}"))
    if dataset.target_name is not None:
        pairs.append(("target", dataset.target_name))
    if dataset.feature_names:
        more = "" if n <= NAMES else f" and {n - NAMES:,} more"
        pairs.append(("columns", ", ".join(name[:30] for name in dataset.feature_names[:NAMES]) + more))
    return facts("dgd.Dataset", pairs)
