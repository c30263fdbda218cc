"""What a checkpoint says besides a state: which data, which problem, and what its bits depend on."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from dgd._typing import Array
from dgd._version import __version__
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.dataset import Dataset
from dgd.data.design.design import Design
from dgd.data.reading import Reading
from dgd.data.rows import Rows
from dgd.data.seen import Seen, hold, seen
from dgd.data.transforms.row_split import RowSplit
from dgd.data.zarr.crc32c import crc32c
from dgd.errors import CheckpointError, ConfigurationError
from dgd.fitting.auto_solver import Choice
from dgd.fitting.checkpoint.encoding import OWN, UNREADABLE, decoded, encoded, fits
from dgd.fitting.checkpoint.file import read_last_checkpoint
from dgd.fitting.null_model import NullModel
from dgd.fitting.run import Task
from dgd.fitting.state import FitState
from dgd.fitting.verdict.stopping import Stopping
from dgd.passes.blas import blas_kernel
from dgd.passes.sums.compiled.compiler import compiler
from dgd.solvers.base import Solver

Place = str | list[str] | None
"""Where an array is found again."""
NOT_STORED = "not stored"
PLACES = ("data", "y", "weight", "offset", "validation")
PARTS = ("loss", "penalty", "solver", "choice", "rate", "outputs", "n_parameters", "fit_intercept")
"""Of a Method."""


@dataclass(frozen=True)
class Stored:
    """A checkpoint that has been read. `parts`: those of a Method; an object that could not be stored is missing."""

    path: Path
    bits: dict[str, str]
    data: list[dict[str, Any]]
    validation: list[dict[str, Any]]
    places: dict[str, Place]
    reading: Reading
    seen: tuple[Seen, ...]
    """The checksums of the stored chunks that were read, where their writer left none."""
    seen_validation: tuple[Seen, ...]
    parts: dict[str, Any]
    split: RowSplit | None
    null: NullModel | None
    precision: str
    standardize: bool
    stopping: Stopping
    state: FitState
    running: Solver | None
    """The solver that has taken over from the first."""
    finished: bool

    @classmethod
    def read(cls, path: Path, own: Sequence[str] = ()) -> Self:
        """The checkpoint at a path. `own`: modules, besides dgd's, whose classes may be made.

        Raises CheckpointError.
        """
        document, arrays = read_last_checkpoint(path)
        allowed = (*OWN, *own)
        try:
            parts = {name: document["method"][name] for name in PARTS}
            found = cls(
                path=path,
                bits={str(name): str(value) for name, value in document["bits"].items()},
                data=list(document["data"]),
                validation=list(document["validation"]),
                places={name: document["places"][name] for name in PLACES},
                reading=Reading.of("resume", document["reading"]),
                seen=decoded(document["seen"], arrays),
                seen_validation=decoded(document["seen_validation"], arrays),
                parts={n: decoded(part, arrays, allowed) for n, part in parts.items() if part != NOT_STORED},
                split=decoded(document["split"], arrays),
                null=decoded(document["null"], arrays),
                precision=document["precision"],
                standardize=document["standardize"],
                stopping=decoded(document["stopping"], arrays),
                state=FitState.from_arrays(document["state"], arrays, own=allowed),
                running=decoded(document["running"], arrays, allowed),
                finished=document["finished"],
            )
            found._check()
        except (*UNREADABLE, ConfigurationError) as error:
            raise CheckpointError(f"{path} is not a checkpoint that this dgd can read: {error!r}") from error
        return found

    def _check(self) -> None:
        kinds: dict[str, Any] = {
            "split": (RowSplit, type(None)), "null": (NullModel, type(None)), "stopping": Stopping, "precision": str,
            "seen": tuple, "seen_validation": tuple, "standardize": bool, "running": (Solver, type(None)),
            "finished": bool,
        }  # fmt: skip
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"{name} is a {type(getattr(self, name)).__name__}")
        method: dict[str, Any] = {
            "solver": Solver,
            "choice": Choice,
            "outputs": (int, type(None)),
            "n_parameters": int,
            "fit_intercept": bool,
        }
        acts = {"loss": "encode", "penalty": "prox"}
        for name, part in self.parts.items():
            if not isinstance(part, method.get(name, object)) or not hasattr(part, acts.get(name, "__class__")):
                raise TypeError(f"{name} is a {type(part).__name__}")
        if not all(fits(place, Place) for place in self.places.values()):
            raise TypeError("a place is no text")

    def check_bits(self) -> None:
        """Raise CheckpointError unless everything that a sum's last bits depend on is as it was."""
        now = bits(compiled="compiler" in self.bits)
        changed = [
            f"{name} {self.bits.get(name)} (now {now[name]})" for name in now if self.bits.get(name) != now[name]
        ]
        if changed:
            raise CheckpointError(
                f"{self.path} was written with {', '.join(changed)}: the last bits of the result would be others "
                f"than those of a fit without a break; go on with what it began with, or pass any_version=True"
            )

    def check_data(self, dataset: Dataset, validation: Dataset | None) -> None:
        """Raise CheckpointError unless the data are those of the first run, naming what changed.

        What is read of them from now on is held to what was read then.
        """
        pairs = [("", self.data, described(dataset))]
        pairs.append(("validation ", self.validation, [] if validation is None else described(validation)))
        for kind, before, now in pairs:
            changed = change(before, now)
            if changed is not None:
                raise CheckpointError(
                    f"{self.path} was made on other {kind}data: {changed}; give the data of the first run, or fit anew"
                )
        try:
            hold(dataset, self.seen)
            if validation is not None:
                hold(validation, self.seen_validation)
        except UNREADABLE as error:
            raise CheckpointError(f"{self.path} is not a checkpoint that this dgd can read: {error!r}") from error


def header_of(
    task: Task, places: dict[str, Place], reading: Mapping[str, Any], null: NullModel | None
) -> Callable[[dict[str, Array]], dict[str, Any]]:
    """A function that adds what `Stored` reads, but the state, to a checkpoint."""
    dataset, validation = task.dataset, task.held_out if isinstance(task.held_out, Dataset) else None
    data, validation_data = described(dataset), [] if validation is None else described(validation)

    def header(arrays: dict[str, Array]) -> dict[str, Any]:
        return {
            "bits": bits(compiled=task.method.would_compile(task.dataset)),
            "data": data,
            "validation": validation_data,
            "seen": encoded(seen(dataset, range(dataset.n_chunks)), arrays),
            "seen_validation": encoded(
                () if validation is None else seen(validation, range(validation.n_chunks)), arrays
            ),
            "places": places,
            "reading": {
                name: value.as_json() if isinstance(value, Design) else value
                for name, value in reading.items()
                if name != "storage_options"
            },
            "method": {name: _part(getattr(task.method, name), arrays) for name in PARTS},
            "split": encoded(task.split, arrays),
            "null": encoded(null, arrays),
            "precision": task.precision,
            "standardize": task.standardize,
            "stopping": encoded(task.stopping, arrays),
        }

    return header


def bits(*, compiled: bool = False) -> dict[str, str]:
    """What the last bits of a result depend on, besides the data and the problem.

    compiled: whether passes are compiled where there is a compiler.
    """
    found = {"dgd": __version__, "numpy": np.__version__, "BLAS": blas_kernel(), "machine": platform.machine()}
    return {**found, "compiler": compiler() or "none"} if compiled else found


def described(dataset: Dataset) -> list[dict[str, Any]]:
    """Which arrays a dataset has, and what identifies each."""
    return [
        {"role": role, "name": rows.name, "shape": list(rows.shape), "identity": _identity(rows)}
        for role, rows in dataset.by_role.items()
    ]


def _identity(rows: Rows) -> str:
    """The fingerprint, and for an array in memory its content's."""
    if not isinstance(rows, MemoryRows):
        return rows.fingerprint
    digest = hashlib.sha256()
    for start, stop in zip(rows.bounds[:-1], rows.bounds[1:], strict=True):
        part = np.ascontiguousarray(rows.array[start:stop])
        digest.update(crc32c(part.reshape(-1).view(np.uint8)).to_bytes(4, "little"))
    return f"{rows.fingerprint}:{digest.hexdigest()}"


def change(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> str | None:
    """The first array that is not what it was."""
    old, new = ({each["role"]: each for each in found} for found in (before, now))
    for role in {**old, **new}:
        if role not in new or role not in old:
            return f"there is {'no' if role in old else 'a'} {role}, {'but' if role in new else 'and'} there was " + (
                "one" if role in old else "none"
            )
        if old[role]["shape"] != new[role]["shape"]:
            return f"{role} has shape {tuple(new[role]['shape'])}, it had {tuple(old[role]['shape'])}"
        if old[role]["identity"] != new[role]["identity"]:
            return f"the content or the metadata of {role} has changed"
    return None


def _part(value: Any, arrays: dict[str, Array]) -> Any:
    """A part of a method; objects of classes that are not dgd's are given again when the fit is resumed."""
    trial: dict[str, Array] = {}
    try:
        decoded(encoded(value, trial), trial)
    except UNREADABLE:
        return NOT_STORED
    return encoded(value, arrays)
