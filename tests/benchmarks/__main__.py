"""`python -m tests.benchmarks NAME`; some have options, which `NAME --help` shows"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print JSON instead of a table")
    shown.add_argument("--markdown", action="store_true", help="print a table to paste into a page")
    named = sys.argv[1] if len(sys.argv) > 1 else ""
    module = importlib.import_module(f"tests.benchmarks.{named}") if named in NAMES else None
    if hasattr(module, "add_options"):
        module.add_options(parser)
    options = vars(parser.parse_args())
    name, as_json, markdown = options.pop("name"), options.pop("json"), options.pop("markdown")
    rows = importlib.import_module(f"tests.benchmarks.{name}").measure(**options)
    if as_json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "rows": rows}, indent=2))
        return
    command = " ".join(["python -m tests.benchmarks", *sys.argv[1:]])
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}: `{command}`\n")
    print("\n\n".join(as_table(part, markdown=markdown) for part in parts(rows)))


def parts(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows with the same columns, one after the other, are a table."""
    return [list(part) for _, part in itertools.groupby(rows, key=tuple)]


def as_table(rows: list[dict[str, Any]], *, markdown: bool) -> str:
    """A line of names and a line for each row, in columns."""
    columns = list(rows[0])
    lines = [columns, *([_text(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    if markdown:
        lines.insert(1, ["-" * (width - 1) + ":" for width in widths])
    padded = [[f"{text:>{width}}" for text, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" if markdown else "  ".join(line) for line in padded)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
