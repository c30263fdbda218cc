"""What stored numbers stand for, and rows that are read as that: packed values, missing cells, flags, times.

    value = scale · stored + offset        stored fill values, and those outside of the valid range, are missing (NaN)

Decoded as xarray decodes: float64 where there is a scale or an offset; float32 where 2 bytes or fewer have missing
cells, else float64. Source: NetCDF Climate and Forecast (CF) Metadata Conventions 1.11, sections 2.5.1, 3.5 and 8.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.rows import Footprint, RowsOfRows
from dgd.errors import ValueRangeError


@dataclass(frozen=True)
class Meaning:
    """How stored values become values. What is not given changes nothing."""

    stored: np.dtype[Any]
    seen_as: np.dtype[Any] | None = None
    """The same bytes with or without a sign."""
    fills: tuple[float, ...] = ()
    """Stored values that stand for a missing cell."""
    valid: tuple[float, float] | None = None
    """Least and largest stored value that is not missing."""
    scale: float | None = None
    offset: float | None = None
    labels: tuple[tuple[int, str], ...] = ()
    """The name of each stored code; "" for one that stands for no label."""
    table: tuple[float, ...] = ()
    """The number of each stored code; another code is a missing cell."""
    boolean: bool = False
    unit: str = ""
    """Of the values, where they are times: "days since 2020-01-01"."""

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """That of the values."""
        if self.labels:
            return np.dtype(f"U{max(len(name) for _, name in self.labels)}")
        if self.boolean:
            return np.dtype(bool)
        if self.table:
            return np.dtype(np.float64)
        seen = self.seen_as or self.stored
        if self.scale is not None or self.offset is not None:
            return np.dtype(np.float64)
        if not self.fills and self.valid is None:
            return seen
        small = seen.itemsize <= 2 or (seen.kind == "f" and seen.itemsize == 4)
        return np.dtype(np.float32 if small else np.float64)

    def __str__(self) -> str:
        parts = []
        if self.seen_as is not None:
            parts.append(f"stored bytes are {self.seen_as.name}")
        if self.scale is not None or self.offset is not None:
            plus = "" if self.offset is None else f" {'-' if self.offset < 0 else '+'} {abs(self.offset):.10g}"
            parts.append(f"{'' if self.scale is None else f'{self.scale:.10g} × '}stored{plus}")
        parts += [self.unit] * bool(self.unit)
        if self.fills:
            parts.append(f"{' and '.join(f'{fill:.10g}' for fill in self.fills)} is missing")
        if self.valid is not None:
            parts.append(f"stored values outside of {self.valid[0]:.10g} to {self.valid[1]:.10g} are missing")
        if self.labels:
            parts.append("labels " + ", ".join(f"{code}: {name}" for code, name in self.labels[:6]))
        parts += ["true or false"] * self.boolean
        parts += [f"{len(self.table):,} different numbers by code"] * bool(self.table)
        return "; ".join(parts)

    def decode(self, stored: Array, buffers: Buffers) -> Array:
        """The values, in a buffer; labels are new. Raises KeyError with the first code that has no label."""
        if self.seen_as is not None:
            stored = stored.view(self.seen_as)
        if self.labels:
            return self._labelled(stored)
        values = buffers.take("decoded", stored.shape, self.dtype)
        if self.table:
            known = (stored >= 0) & (stored < len(self.table))
            values[...] = np.where(known, np.array(self.table)[np.where(known, stored, 0)], np.nan)
            return values
        if self.boolean:
            np.not_equal(stored, 0, out=values)
            return values
        if self.scale is not None:
            np.multiply(stored, self.scale, out=values, dtype=np.float64)
            if self.offset is not None:
                values += self.offset
        elif self.offset is not None:
            np.add(stored, self.offset, out=values, dtype=np.float64)
        else:
            values[...] = stored
        missing = self._missing(stored)
        if missing is not None and missing.any():
            np.copyto(values, np.nan, where=missing)
        return values

    def _missing(self, stored: Array) -> NDArray[np.bool_] | None:
        missing = None
        for fill in self.fills:
            found = stored == stored.dtype.type(fill)
            missing = found if missing is None else missing | found
        if self.valid is not None:
            found = (stored < self.valid[0]) | (stored > self.valid[1])
            missing = found if missing is None else missing | found
        return missing

    def _labelled(self, stored: Array) -> Array:
        codes = np.array([code for code, _ in self.labels])
        order = np.argsort(codes)
        place = np.searchsorted(codes[order], stored).clip(max=len(codes) - 1)
        unknown = codes[order][place] != stored
        if unknown.any():
            raise KeyError(int(stored[unknown][0]), int(np.argwhere(unknown)[0][0]))
        names: Array = np.array([name for _, name in self.labels])[order][place]
        return names.astype(self.dtype)


@dataclass(frozen=True, eq=False)
class DecodedRows(RowsOfRows):
    """Rows whose stored values are read as what they stand for."""

    meaning: Meaning

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the values."""
        return self.meaning.dtype

    @property
    def footprint(self) -> Footprint:
        """The stored chunk, its values, and two bytes for each that may be missing."""
        whole = self.rows.footprint
        cells = self.longest * int(np.prod(self.shape[1:], dtype=np.int64))
        masks = 2 if self.meaning.fills or self.meaning.valid else 0
        labels = 2 * (8 + self.dtype.itemsize) if self.meaning.labels else 0
        return replace(whole, decoded=whole.decoded + cells * (self.dtype.itemsize + masks + labels))

    @property
    def fingerprint(self) -> str:
        """That of the array, read so."""
        return f"{self.rows.fingerprint}:{self.meaning}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The values of the rows from start to stop."""
        stored, bytes_read = self.rows.read(start, stop, self.inside(buffers))
        try:
            return self.meaning.decode(stored, buffers), bytes_read
        except KeyError as error:
            code, row = error.args
            raise ValueRangeError(
                f"array {self.name!r}, row {start + row}: code {code} has no label, expected one of "
                f"{', '.join(str(known) for known, _ in self.meaning.labels[:8])}; correct or drop such rows",
                array=self.name,
                rows=(start + row, start + row + 1),
            ) from None
