"""`python -m tests.benchmarks overhead` or `passes`"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    rows = importlib.import_module(f"tests.benchmarks.{arguments.name}").measure()
    if arguments.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "rows": rows}, indent=2))
        return
    columns = list(rows[0])
    widths = [max(len(column), *(len(_text(row[column])) for row in rows)) for column in columns]
    for line in (columns, *([_text(row[c]) for c in columns] for row in rows)):
        print("  ".join(f"{text:>{width}}" for text, width in zip(line, widths, strict=True)))


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
