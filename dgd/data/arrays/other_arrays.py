"""Arrays of other libraries as rows: sparse matrices, Arrow tables, HDF5 datasets, DLPack; and what is loaded whole."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

import numpy as np

from dgd.data.arrays.memory_rows import MemoryRows, as_rows
from dgd.data.rows import Rows
from dgd.errors import SchemaError, UnsupportedFormatError
from dgd.errors.words import size

MOST_LOADED = 64 * 2**20
"""Bytes of an array that is not in memory and may be loaded as a whole."""
CPU_DEVICES = {1, 3}
"""DLPack's numbers of devices whose memory this process can read: the CPU's own, and pinned memory."""


def rows_of_array(name: str, values: Any) -> Rows:
    """What any other library calls an array, as rows. Raises SchemaError for what would have to be loaded whole."""
    library = type(values).__module__.partition(".")[0]
    if library == "scipy" and hasattr(values, "tocsr") and values.ndim == 2:
        from dgd.data.arrays.sparse_rows import SparseRows

        return SparseRows(name, values.tocsr())
    if library == "h5py":
        from dgd.data.arrays.hdf5_rows import Hdf5Rows

        return Hdf5Rows(name, values)
    streams = hasattr(values, "__arrow_c_stream__") and library != "xarray" and find_spec("pyarrow") is not None
    if streams or library == "pyarrow":
        from dgd.data.tables.arrow import arrow_rows

        return arrow_rows(name, values, at_most=MOST_LOADED)
    if hasattr(values, "__dlpack__") and not isinstance(values, np.ndarray | np.generic):
        return MemoryRows(name, _from_dlpack(name, values))
    _refuse_loading(name, values)
    return as_rows(name, values)


def _from_dlpack(name: str, values: Any) -> Any:
    device = values.__dlpack_device__()[0] if hasattr(values, "__dlpack_device__") else 1
    if int(device) not in CPU_DEVICES:
        raise UnsupportedFormatError(
            f"array {name!r} is a {type(values).__name__} that lies in the memory of another device; copy it to "
            f"that of the CPU (`.cpu()`, `jax.device_get`, `cupy.asnumpy`)",
            array=name,
        )
    try:
        return np.from_dlpack(values)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise UnsupportedFormatError(
            f"array {name!r} is a {type(values).__name__} that NumPy cannot take over: {error}; convert it before "
            f"fitting (`numpy.asarray(...)`, `.detach()`, `.float()`)",
            array=name,
        ) from error


def _refuse_loading(name: str, values: Any) -> None:
    """Refuse an array that is not in memory and too large to be loaded in silence."""
    shape, dtype = getattr(values, "shape", None), getattr(values, "dtype", None)
    if isinstance(values, np.ndarray | np.generic) or not isinstance(shape, tuple) or dtype is None:
        return
    if hasattr(values, "__array_interface__") or type(values).__module__.startswith("pandas") or _in_memory(values):
        return
    n_bytes = math.prod(shape) * int(getattr(dtype, "itemsize", 8))
    if n_bytes > MOST_LOADED:
        raise SchemaError(
            f"array {name!r} is a {type(values).__module__.partition('.')[0]} {type(values).__name__} of "
            f"{size(n_bytes)}, and all of it would be loaded into memory; give the path of its Zarr store, a Dask "
            f"array (`dask.array.from_array(...)`; of an xarray object over Dask `.data`), or load it yourself "
            f"(`numpy.asarray(...)`)",
            array=name,
        )


def _in_memory(values: Any) -> bool:
    """Whether an array of xarray, or one with a buffer, lies in memory."""
    if hasattr(values, "variable"):
        return bool(values.variable._in_memory)
    try:
        memoryview(values)
    except TypeError:
        return False
    return True
