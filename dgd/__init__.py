"""Exact linear models from chunked arrays, on one machine or a Dask cluster, on data bigger than memory.

    import dgd
    result = dgd.fit("train.zarr", learning_rate=0.1, max_iter=1000)
    result.model.save("model.dgd")
    dgd.load_model("model.dgd").predict("test.zarr", out="pred.zarr")

Importing dgd loads nothing heavy: each name below is imported when it is first used, and zarr, dask and pyarrow by
those who need them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dgd import errors
from dgd._version import __version__

if TYPE_CHECKING:
    from dgd import losses, penalties, solvers
    from dgd.api import fit, load_model, open_dataset, plan
    from dgd.data.dataset import Dataset
    from dgd.data.zarr.dataset_writer import DatasetWriter
    from dgd.data.zarr.info import info
    from dgd.fitting.record import Record
    from dgd.fitting.result import Result
    from dgd.models.model import Model
    from dgd.solvers import Status

_HOMES = {
    "Dataset": "dgd.data.dataset",
    "DatasetWriter": "dgd.data.zarr.dataset_writer",
    "Model": "dgd.models.model",
    "Record": "dgd.fitting.record",
    "Result": "dgd.fitting.result",
    "Status": "dgd.solvers",
    "info": "dgd.data.zarr.info",
    "load_model": "dgd.api",
    "open_dataset": "dgd.api",
}
_FOLDERS = ("losses", "penalties", "solvers")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _FOLDERS:
        return import_module(f"dgd.{name}")
    raise AttributeError(f"module 'dgd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Function:
    """A function of `dgd.api` that shares its name with a module: see below."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, package: ModuleType | None, owner: type) -> Any:
        return getattr(import_module("dgd.api"), self.name)

    def __set__(self, package: ModuleType, module: Any) -> None:
        """Where the import system would put the module; it stays in `sys.modules`."""


class _Package(ModuleType):
    fit = _Function()
    plan = _Function()


sys.modules[__name__].__class__ = _Package

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
    "losses",
    "open_dataset",
    "penalties",
    "plan",
    "solvers",
]
