"""Exact linear models from chunked arrays, on one machine or a Dask cluster, on data bigger than memory.

    import dgd
    result = dgd.fit("train.zarr", learning_rate=0.1, max_iter=1000)
    result.model.save("model.dgd")
    dgd.load_model("model.dgd").predict("test.zarr", out="pred.zarr")

Importing dgd loads NumPy and nothing heavier; zarr, dask and pyarrow are imported where they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dgd import errors
from dgd._version import __version__
from dgd.api import fit, load_model, open_dataset, plan
from dgd.dataset import Dataset
from dgd.model import Model
from dgd.result import Record, Result
from dgd.solvers import Status

if TYPE_CHECKING:
    from dgd.storage.describe import info
    from dgd.storage.writer import DatasetWriter

# `fit` and `plan` are functions here, though modules bear the same names: the imports above bind them last.

_LAZY = {"DatasetWriter": "dgd.storage.writer", "info": "dgd.storage.describe"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'dgd' has no attribute {name!r}")


__all__ = [
    "Dataset",
    "DatasetWriter",
    "Model",
    "Record",
    "Result",
    "Status",
    "__version__",
    "errors",
    "fit",
    "info",
    "load_model",
    "open_dataset",
    "plan",
]
