"""Maps of a few cells, cut as large ones are."""

from __future__ import annotations

import pytest

from dgd.data.targets import tiles


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tiles of a small map, and a pass over few of them that is worth several threads."""
    monkeypatch.setattr(tiles, "FEWEST", 16)
    monkeypatch.setattr(tiles, "MOST", 64)
    monkeypatch.setattr("dgd.passes.threads.LEAST_NODE_BYTES", 1)
