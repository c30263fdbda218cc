"""Probit and complementary log-log losses with 400 digits, by mpmath: `python make_tails.py` writes tails.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp

HERE = Path(__file__).parent
mp.mp.dps = 400
PROBIT = [0, 1e-300, 1e-9, 1e-3, 0.3, 0.66, 0.67, 1, 2.5, 5.6, 5.7, 8.3, 20, 37.5, 100, 1e3, 1e5]
CLOGLOG = [0, 1e-9, 1e-3, 0.3, 1, 1.39, 2, 3.5, 5, 6.4, 20, 100, 700]


def probit(eta: Any) -> Any:
    """−log Φ(η)."""
    return -mp.log(mp.erfc(-eta / mp.sqrt(2)) / 2)


def probit_slopes(eta: Any) -> tuple[Any, Any]:
    ratio = mp.exp(-eta * eta / 2) / mp.sqrt(2 * mp.pi) / (mp.erfc(-eta / mp.sqrt(2)) / 2)
    return -ratio, ratio * (ratio + eta)


def cloglog(eta: Any) -> Any:
    """−log(1 − exp(−e^η))."""
    return -mp.log(-mp.expm1(-mp.exp(eta)))


def cloglog_slopes(eta: Any) -> tuple[Any, Any]:
    t = mp.exp(eta)
    r = t / mp.expm1(t)
    return -r, r * (t + r - 1)


def rows(etas: list[float], value: Callable[[Any], Any], slopes: Callable[[Any], tuple[Any, Any]]) -> list[list[float]]:
    """η, and of a row of the second class the loss and its two derivatives."""
    found = []
    for eta in sorted({*etas, *(-each for each in etas)}):
        exact = mp.mpf(eta)
        found.append([eta, *(float(each) for each in (value(exact), *slopes(exact)))])
    return found


def main() -> None:
    document = {
        "source": f"mpmath {mp.__version__}, {mp.mp.dps} digits: eta, -log p, its first and second derivative",
        "probit": rows(PROBIT, probit, probit_slopes),
        "cloglog": [row for row in rows(CLOGLOG, cloglog, cloglog_slopes) if row[0] <= 6.4],
    }
    (HERE / "tails.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
