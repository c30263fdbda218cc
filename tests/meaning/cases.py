"""What a case of the table is, and what cases share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dgd.errors import DgdError
from tests.meaning.doors import in_the_shell

See = Callable[[Path], tuple[str, str]]
"""What is seen now, and what is right."""


@dataclass(frozen=True)
class Case:
    """One way in which data were misread, refused or not understood."""

    name: str
    what: str
    before: str
    """What the first 0.1.0 gave."""
    see: See
    slow: bool = False


CASES: dict[str, Case] = {}
OPEN = {
    "S3.7": "a column of true and false that is broken by one number: the row that is told is the first, not that one",
    "S3.13": "names of columns that are numbers, as in scikit-learn's iris.csv, deserve a word",
}
"""What is not done yet, of tables."""


def case(name: str, what: str, *, before: str, slow: bool = False) -> Callable[[See], See]:
    """Adds a function to the table."""

    def added(see: See) -> See:
        assert name not in CASES
        CASES[name] = Case(name, what, before, see, slow)
        return see

    return added


def rounded(values: Any, digits: int = 4) -> str:
    """Numbers as the table shows them; −0 is 0."""
    flat = np.round(np.ravel(np.asarray(values, dtype=float)), digits) + 0.0
    return ", ".join(f"{value:.{digits}g}" if digits > 6 else f"{value:g}" for value in flat)


def least_squares(X: Any, y: Any) -> np.ndarray:
    """Intercept and coefficients by NumPy, of the rows without NaN."""
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    kept = ~np.isnan(X).any(axis=1) & ~np.isnan(y)
    return np.asarray(np.linalg.lstsq(np.column_stack([np.ones(kept.sum()), X[kept]]), y[kept], rcond=None)[0])


def refused(call: Callable[[], Any], *words: str) -> tuple[str, str]:
    """What a call that is to be refused says: `refused, naming …` where all the words are in the sentence."""
    right = f"refused, naming {' and '.join(words)}"
    try:
        value = call()
    except DgdError as error:
        sentence = " ".join(str(error).split())
        return (right if all(word in sentence for word in words) else f"refused: {sentence[:200]}"), right
    except Exception as error:  # a raw error is what the table is there to find
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", right
    return f"accepted: {value!r:.120}", right


def told(words: list[str], *arguments: Any) -> tuple[str, str]:
    """The same for what the shell prints; `words` are to be in it, and no traceback."""
    _, out, err = in_the_shell(*map(str, arguments))
    said = " ".join((out + err).split())
    right = f"told {' and '.join(words)}"
    good = all(word in said for word in words) and "Traceback" not in said
    return (right if good else f"told: {said[-250:]}"), right
