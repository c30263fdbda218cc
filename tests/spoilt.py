"""Ways to spoil a stored file, for tests of what reads it."""

from pathlib import Path


def longer(file: Path) -> None:
    """One byte too long."""
    file.write_bytes(file.read_bytes() + b"\0")


def flipped(file: Path) -> None:
    """One bit is another one."""
    found = bytearray(file.read_bytes())
    found[3] ^= 1
    file.write_bytes(found)


def linked(file: Path) -> None:
    """A link that leads out of the store."""
    elsewhere = file.parents[4] / "elsewhere"
    elsewhere.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(elsewhere)
