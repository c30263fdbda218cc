"""Damaged and invented inputs, the same for the same seed: changed bytes, and JSON with other values in it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from dgd.errors import DgdError

DEFAULT = 300
"""Inputs of a target in the default suite."""
MANY, SEEDS = 10_000, range(1, 11)
"""Inputs for each of so many seeds in its slow part."""

ODD_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 3, 2**31, 2**63, 10**40, -(10**18), 1.5, -0.0, 1e308, float("inf"), float("nan"),
    "", "X", "coef.npy", "../../etc/passwd", "/dev/zero", "a\0b", "\ud800", "\x1b[2J", "é" * 50, "9" * 5000, "0" * 64,
    [], {}, [[]], {"": None}, [1, 2], ["a"], ["a", "a"], [None], [10**12, 10**12], {"name": "crc32c"}, [[[[[[1]]]]]],
]  # fmt: skip
TOKENS = [
    b"", b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"-1", b"1e400", b"NaN", b"\\ud800", b"\\u0000",
    b"\x00", b"\xff", b"\n", b"(", b")", b"'", b"3,", b"<f8", b"|O", b"False", b"9" * 30, b"[" * 2000, b'{"a":' * 200,
]  # fmt: skip


def changed_bytes(content: bytes, draw: random.Random) -> bytes:
    """A few bytes of it flipped, cut out, doubled, or replaced by what parsers care for."""
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        at = draw.randrange(len(found) + 1)
        stop = min(len(found), at + draw.choice((0, 1, 1, 2, 8, 40)))
        kind = draw.randrange(5)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del found[at:stop]
        elif kind == 2:
            found[at:at] = found[at:stop]
        elif kind == 3:
            found[at:stop] = draw.choice(TOKENS)
        else:
            del found[at:]
    return bytes(found)


def changed_json(document: Any, draw: random.Random) -> Any:
    """A deep copy with a few entries replaced, removed, added, moved, or wrapped in one another."""
    found = json.loads(json.dumps(document))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        container, key = draw.choice(list(_places(found)) or [(found, None)])
        if key is None:
            return deepcopy(draw.choice(ODD_VALUES))
        kind = draw.randrange(6)
        if kind < 3:
            container[key] = deepcopy(draw.choice(ODD_VALUES))
        elif kind == 3:
            del container[key]
        elif kind == 4 and isinstance(container, dict):
            container[draw.choice(("extra", "", "format", "shape", "\ud800", str(key).upper()))] = container[key]
        else:
            container[key] = draw.choice(([container[key]], {"name": container[key]}, str(container[key])))
    return found


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        entries: Any = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    else:
        return
    for key, each in entries:
        yield value, key
        yield from _places(each)


def check_typed(try_one: Callable[[random.Random], None], count: int, *, seed: int = 0) -> tuple[int, int]:
    """Try so many inputs; every error must be one of dgd. How many were accepted, and how many refused."""
    refused = 0
    for number in range(count):
        try:
            try_one(random.Random(f"{seed}-{number}"))
        except DgdError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"input {number} of seed {seed} ended in {error!r}") from error
    return count - refused, refused
