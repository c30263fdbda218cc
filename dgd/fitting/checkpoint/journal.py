"""The passes of fits in lock-step, kept in a folder, so that a call that was interrupted makes only those it lacks.

    problem                 the data, the question, what the bits depend on, and whether all passes were made
    pass-0000, pass-0001 …  what each pass found

Between passes nothing is read or drawn. Fits that begin anew and are told the same therefore come to the same point, to
the bit: the same call takes the passes that are there from the folder, and makes the others.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dgd._typing import Array, Integers
from dgd.data.dataset import Dataset
from dgd.data.seen import hold, seen
from dgd.errors import CheckpointError, ConfigurationError, OutputInUseError, WriteError
from dgd.errors.writing import writing
from dgd.fitting.checkpoint.encoding import UNREADABLE, decoded, encoded
from dgd.fitting.checkpoint.file import read_checkpoint, write_checkpoint
from dgd.fitting.checkpoint.identity import bits, change, described
from dgd.fitting.checkpoint.keeping import checked_path
from dgd.fitting.checkpoint.lock import CheckpointLock, checkpoint_lock
from dgd.passes.executor import PassResult, S

PROBLEM = "problem"
PLAIN = ("bytes_read", "resident", "filled", "seconds")
"""Of a pass, besides its value and the rows left out."""


@dataclass
class Journal:
    """The passes of one call. `kept`: those that were there when it began."""

    lock: CheckpointLock
    dataset: Dataset
    problem: dict[str, Any]
    kept: int = 0
    made: int = 0
    """Passes so far, the kept ones among them."""
    _writes: bool = True

    def pass_of(self, asked: str, make: Callable[[], PassResult[S]]) -> PassResult[S]:
        """What the next pass finds: from the folder, or made and brought there. asked: a digest of its question."""
        number, self.made = self.made, self.made + 1
        if number < self.kept:
            return self._stored(number, asked)
        result = make()
        self._write(self._path(number), *_of_result(result, asked, self.dataset))
        return result

    def finish(self) -> None:
        """All passes were made: another call may take the folder."""
        self._write(self._path(None), {**self.problem, "finished": True}, {})

    def _path(self, number: int | None) -> Path:
        return self.lock.path / (PROBLEM if number is None else f"pass-{number:04d}")

    def begin(self) -> None:
        """Make the folder, or take what is in it. Raises CheckpointError where that is of another call."""
        path = self.lock.path
        if not path.parent.is_dir():
            raise ConfigurationError(f"`checkpoint`: there is no folder {path.parent}; make it first")
        if path.exists() and not (path.is_dir() and (self._path(None).exists() or not any(path.iterdir()))):
            raise ConfigurationError(f"{path} exists and holds no passes of dgd; remove it, or give another path")
        if self._path(None).exists():
            before, _ = read_checkpoint(self._path(None))
            changed = _changed(before, self.problem)
            if changed is None:
                self.kept = self._count()
                return
            if not before.get("finished"):
                raise CheckpointError(
                    f"{path} has passes of a call that has not finished, and {changed}; give the arguments and data of "
                    f"that call to go on with it, or remove the folder, or give another path"
                )
        with writing(path):
            path.mkdir(exist_ok=True)
            for each in path.glob("pass-*"):
                each.unlink()
        with writing(path):
            write_checkpoint(self._path(None), {**self.problem, "finished": False}, {})

    def _count(self) -> int:
        """The passes there are, one after the other; a damaged one is made again, and all that follow it."""
        count = 0
        while self._path(count).exists():
            try:
                document, arrays = read_checkpoint(self._path(count))
                hold(self.dataset, decoded(document["seen"], arrays))
            except (CheckpointError, *UNREADABLE) as error:
                warnings.warn(f"{error}; the passes from there on are made again", RuntimeWarning, stacklevel=4)
                break
            count += 1
        return count

    def _stored(self, number: int, asked: str) -> PassResult[Any]:
        document, arrays = read_checkpoint(self._path(number))
        if document["asked"] != asked:
            raise CheckpointError(
                f"{self._path(number)} answers another question than this call asks in its pass {number}; remove the "
                f"folder to begin anew"
            )
        for name, order in document["orders"].items():
            arrays[name] = arrays[name].transpose(np.argsort(order))
        found = {name: document[name] for name in PLAIN}
        return PassResult(decoded(document["value"], arrays), left_out=decoded(document["left_out"], arrays), **found)

    def _write(self, path: Path, document: Any, arrays: dict[str, Array]) -> None:
        """A file of the folder; after the first one that cannot be written, a warning, and no more."""
        if not self._writes:
            return
        try:
            self.lock.check()
            write_checkpoint(path, document, arrays)
        except (WriteError, OutputInUseError) as error:
            self._writes = False
            warnings.warn(
                f"no checkpoint: {error}. The fits go on; passes from here on are not kept",
                RuntimeWarning,
                stacklevel=2,
            )


@contextmanager
def journal_at(call: str, checkpoint: Any, dataset: Dataset, question: Mapping[str, Any]) -> Iterator[Journal | None]:
    """The journal of a call in that folder, None without one. question: the arguments that say what is asked, by name.

    Raises ConfigurationError for what cannot be such a folder, CheckpointError where it has passes of another call that
    has not finished, OutputInUseError while another one writes there.
    """
    if checkpoint is None:
        yield None
        return
    with checkpoint_lock(checked_path(checkpoint, call)) as lock:
        problem = {
            "call": call,
            "bits": bits(),
            "data": described(dataset),
            "question": {name: _digest(value) for name, value in question.items()},
        }
        journal = Journal(lock, dataset, json.loads(json.dumps(problem)))
        journal.begin()
        yield journal
        journal.finish()


def _changed(before: Any, now: dict[str, Any]) -> str | None:
    """What of a problem is not as it was, in words."""
    try:
        if before["call"] != now["call"]:
            return f"that was `{before['call']}`, and this is `{now['call']}`"
        data = change(before["data"], now["data"])
        if data is not None:
            return f"the data are others: {data}"
        for name, digest in now["question"].items():
            if before["question"].get(name) != digest:
                return f"`{name}` is another one"
        for name, version in now["bits"].items():
            if before["bits"].get(name) != version:
                return f"its bits are those of {name} {before['bits'].get(name)} (now {version})"
    except UNREADABLE as error:
        return f"this dgd cannot read what it is of: {error!r}"
    return None


def _of_result(result: PassResult[Any], asked: str, dataset: Dataset) -> tuple[dict[str, Any], dict[str, Array]]:
    """A pass as a document and arrays, each with the order of its axes in memory: sums may depend on it."""
    found: dict[str, Array] = {}
    value, left_out = encoded(result.value, found), encoded(result.left_out, found)
    orders = {name: _order(array).tolist() for name, array in found.items() if array.ndim > 1}
    arrays = {name: np.asarray(array.transpose(_order(array)), order="C") for name, array in found.items()}
    document = {name: getattr(result, name) for name in PLAIN}
    document |= {"asked": asked, "value": value, "left_out": left_out, "orders": orders}
    document["seen"] = encoded(seen(dataset, range(dataset.n_chunks)), arrays)
    return document, arrays


def _order(array: Array) -> Integers:
    """The axes, the slowest in memory first."""
    return np.argsort([-stride for stride in array.strides], kind="stable")


def _digest(value: Any) -> str:
    """Of an argument's value: equal for equal ones; of objects of classes that are not dataclasses, of their text."""
    arrays: dict[str, Array] = {}
    try:
        document = encoded(value, arrays)
    except TypeError:
        document = f"{type(value).__module__}:{value!r}"
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for array in arrays.values():
        digest.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
