"""Programs run as a user would run them, and what they leave behind: processes, files in the temporary folder."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MARK = "DGD_TEST_RUN"


@dataclass(frozen=True)
class Surroundings:
    """An environment with a temporary folder of its own and a mark that every process below it inherits."""

    temporary: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def environment(self) -> dict[str, str]:
        """The interpreter's own folder comes first on the PATH, as in an activated environment."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "TMPDIR": str(self.temporary), MARK: self.mark}

    def processes(self) -> Iterator[psutil.Process]:
        """Every live process that was started in these surroundings, whoever its parent is by now."""
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark:
                    yield process
            except psutil.Error:  # it has ended, or is somebody else's
                continue

    def leftovers(self) -> list[str]:
        """What should not be there any more."""
        running = [f"process {process.pid}" for process in self.processes()]
        return running + [str(path) for path in self.temporary.iterdir()]

    def kill(self) -> None:
        """End whatever a failed test leaves running."""
        for process in self.processes():
            process.kill()
