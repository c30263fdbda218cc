"""The same bits of θ on one thread, two threads and two workers, for every kind of rows that people have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from clusters import Cluster

import dgd
from tests.meaning import formats
from tests.meaning.__main__ import FORMATS
from tests.meaning.visit import Visit

pytestmark = [
    pytest.mark.usefixtures("tiny_data_are_divided_too"),
    pytest.mark.filterwarnings("ignore"),
]
ELSEWHERE = ("S3", "icechunk")
"""They need packages of their own: `python -m tests.meaning --doors` has them."""
IN_PIECES = ("NumPy", "pandas", "Arrow", "SciPy CSR", "HDF5")
"""What lies in memory, or is read by h5py, is cut in pieces of 4 MiB."""


@pytest.mark.each(17)
@pytest.mark.parametrize("method", [{}, {"solver": "lbfgs", "max_iter": 4}], ids=["auto", "lbfgs"])
@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ELSEWHERE])
def test_the_same_bits_on_threads_and_workers(
    name: str, method: dict[str, Any], two_workers: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in IN_PIECES:
        monkeypatch.setattr(formats, "ROWS", 400_000)
    with FORMATS[name][1](tmp_path) as data:
        visit = Visit(data, tmp_path)
        given, named = data.objects or (data.path,), data.reading
        if isinstance(data.path, os.PathLike) and "path" not in data.refused:
            # Twice, one below the other: small stores have one chunk.
            given, named = ([data.path, data.path],), data.named
        how = {**visit.method, **method}

        def bits(**where: Any) -> bytes:
            return dgd.fit(*given, **named, **how, **where).theta.tobytes()

        assert dgd.open_dataset(*given, **named).n_chunks > 1
        alone = bits(threads=1)
        assert bits(threads=2) == alone
        assert bits(client=two_workers.client) == alone
        assert bits(execution=dgd.Execution(threads=2, resident=0)) == alone
