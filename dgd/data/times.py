"""Where the threads of a pass spend their time."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of all threads together.

    read: until the bytes of stored chunks are there; decode: what makes rows of them (of Parquet and of Dask's blocks,
    reading as well); compute: the sums; wait: everything else, such as a cluster's messages and the end of a pass, when
    some threads have nothing left to do.
    """

    read: float = 0.0
    decode: float = 0.0
    compute: float = 0.0
    wait: float = 0.0

    def __add__(self, other: Times) -> Times:
        if other is NO_TIMES or self is NO_TIMES:
            return self if other is NO_TIMES else other
        return Times(
            self.read + other.read, self.decode + other.decode, self.compute + other.compute, self.wait + other.wait
        )

    def __sub__(self, other: Times) -> Times:
        return Times(
            self.read - other.read, self.decode - other.decode, self.compute - other.compute, self.wait - other.wait
        )

    def within(self, threads: int, seconds: float) -> Times:
        """With what so many threads waited in so many seconds."""
        return replace(self, wait=max(0.0, threads * seconds - self.read - self.decode - self.compute))

    @property
    def total(self) -> float:
        """All of it."""
        return self.read + self.decode + self.compute + self.wait


NO_TIMES = Times()
