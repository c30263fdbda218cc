"""What a fit has reached: after each whole pass, in memory, and now and then on disk.

A pass that is cut off, by Ctrl-C or a lost cluster, leaves the one before as it was.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from dgd._typing import Array
from dgd.errors import OutputInUseError, WriteError
from dgd.fitting.checkpoint.encoding import encoded
from dgd.fitting.checkpoint.file import write_checkpoint
from dgd.fitting.checkpoint.lock import CheckpointLock
from dgd.fitting.epoch import EpochPart, Pause
from dgd.fitting.state import FitState
from dgd.solvers.base import Evaluation, Solver, Status

GOING_ON = (Status.INTERRUPTED, Status.ITERATION_LIMIT, Status.TIME_LIMIT)
"""Ends of a fit that can be taken up where it stopped."""
EVERY_PASS = "pass"


@dataclass
class Reached:
    """The state after the last whole pass, and how it came there."""

    solver: Solver | None = None
    state: FitState | None = None
    evaluation: Evaluation | None = None
    """The last one, finite or not."""
    passes: int = 0

    @property
    def going_on(self) -> FitState:
        """The state, to go on from."""
        assert self.state is not None
        return replace(self.state, history=self.state.history[: self.passes])

    def pass_made(self, solver: Solver, state: FitState, evaluation: Evaluation, *, ends: bool) -> None:
        """Another pass; `ends`: whether the fit ends with it whatever is asked for."""
        self.solver, self.state, self.evaluation = solver, replace(state), evaluation
        self.passes = len(state.history)

    def between_passes(self, status: Status | None) -> None:
        """The pass has been reported; with a status, the fit is over."""

    def pause_of(self, solver: Solver, state: FitState) -> Pause | None:
        """What is called within an epoch."""
        return None

    def close(self) -> str | None:
        """The fit is over, as it should or by an error. Where it can be taken up from what was reached, if anywhere."""
        return None


@dataclass
class Checkpoints(Reached):
    """What a fit has reached, brought to disk every so many seconds or after every pass, and at its end."""

    lock: CheckpointLock = field(kw_only=True)
    """On the path that they are written to."""
    every: float | str = field(kw_only=True)
    header: Callable[[dict[str, Array]], dict[str, Any]] = field(kw_only=True)
    """What the fit is, as JSON; its arrays are added to those of the state."""
    written: bool = False
    """Whether the last state that a fit can go on from is on disk."""
    _stored: tuple[Solver, FitState, int] | None = None
    _latest: tuple[Solver, FitState, int] | None = None
    """A solver, its state, and the passes of the history that belong to it."""
    _ended: bool = False
    _has_written: bool = False
    """Only then is the file that is replaced known to be whole, and of this fit."""
    _warned: bool = False
    _last: float = field(default_factory=time.monotonic)
    _epoch_began: float = 0.0
    _epoch_seconds: float | None = None

    def go_on_from(self, running: Solver | None, state: FitState) -> None:
        """Begin there, and not at a θ; `running`: the solver that has taken over, if one has."""
        self.solver, self.state, self.passes, self.written = running, state, len(state.history), True

    def pass_made(self, solver: Solver, state: FitState, evaluation: Evaluation, *, ends: bool) -> None:
        """Remember the state, unless the fit would not go on from it."""
        super().pass_made(solver, state, evaluation, ends=ends)
        self._epoch_seconds = time.monotonic() - self._epoch_began
        if not ends:
            self._latest, self.written = (solver, self.state or state, self.passes), False

    def between_passes(self, status: Status | None) -> None:
        """Write a checkpoint if it is time. The last one of a fit that has ended for good says so."""
        if status is None:
            self._write_if_due()
        elif status not in GOING_ON:
            self._ended = True
            if self._stored is not None:
                self._write(*self._stored, finished=True)

    def pause_of(self, solver: Solver, state: FitState) -> Pause | None:
        """Within an epoch that may take longer than it is to a checkpoint."""
        self._epoch_began = time.monotonic()
        if isinstance(self.every, str):
            return None
        if self._epoch_seconds is not None and self._epoch_seconds < self.every / 2:
            return None

        def pause(part: EpochPart) -> None:
            self._latest, self.written = (solver, replace(state, epoch=part), len(state.history)), False
            self._write_if_due()

        return pause

    def close(self) -> str | None:
        """Whatever ended the fit, the last state is brought to disk. None where the fit has ended for good."""
        if self._ended:
            return None
        self._write_latest()
        return str(self.lock.path) if self.written else None

    def _write_if_due(self) -> None:
        if self.every == EVERY_PASS or time.monotonic() - self._last >= float(self.every):
            self._write_latest()

    def _write_latest(self) -> None:
        if self._latest is not None and not self.written:
            self._stored = self._latest
            self.written = self._write(*self._latest, finished=False)

    def _write(self, solver: Solver, state: FitState, passes: int, *, finished: bool) -> bool:
        """Whether the checkpoint is on disk; the first time it is not, a warning says why."""
        self._last = time.monotonic()
        document, arrays = replace(state, history=state.history[:passes]).to_arrays()
        running = encoded(solver, arrays) if state.handed_over else None
        whole = {**self.header(arrays), "state": document, "running": running, "finished": finished, "passes": passes}
        try:
            self.lock.check()
            write_checkpoint(self.lock.path, whole, arrays, keep=self._has_written)
        except (WriteError, OutputInUseError) as error:
            if not self._warned:
                warnings.warn(f"no checkpoint: {error}. The fit goes on and tries again", RuntimeWarning, stacklevel=2)
            self._warned = True
            return False
        self._has_written = True
        return True
