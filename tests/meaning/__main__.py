"""`python -m tests.meaning [--doors | --public] [names…]`"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.meaning.cases import CASES, OPEN, Case
from tests.meaning.doors import DOORS, NOTHING, WORKS, enter, is_right
from tests.meaning.formats import FORMATS
from tests.meaning.visit import Visit

for module in ("stored", "objects", "silent", "refused", "misleading"):
    import_module(f"tests.meaning.{module}")


def main() -> int:
    """0 if all that was seen is right."""
    parser = argparse.ArgumentParser(prog="python -m tests.meaning", description="What dgd makes of data.")
    parser.add_argument("names", nargs="*", help="cases, formats or files of these names, S1 for S1.1 and S1.2 [all]")
    parser.add_argument("--doors", action="store_true", help="every format at every door, with two workers")
    parser.add_argument("--public", action="store_true", help="files that packages ship, held to scikit-learn")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.doors:
        return show_doors(options.names)
    if options.public:
        from tests.meaning.public import show_files

        return show_files(options.names)
    return show_cases(case for case in CASES.values() if chosen(case.name, options.names))


def chosen(name: str, names: list[str]) -> bool:
    """Whether a row is asked for."""
    return not names or any(name == each or name.startswith((f"{each}.", f"{each}-")) for each in names)


def show_cases(cases: Iterable[Case]) -> int:
    """What each case gave at first, gives now, and what is right."""
    began, count, bad = time.monotonic(), 0, []
    for case in cases:
        now, right = seen(case)
        count, good = count + 1, now == right
        bad += [] if good else [case.name]
        print(f"{'ok ' if good else 'NO '} {case.name:<14}{case.what}")
        print(f"      at first  {case.before}\n      now       {now}")
        print(*[] if good else [f"      right     {right}\n"], end="", flush=True)
    print(*(f"open {name:<13}{what}" for name, what in OPEN.items()), sep="\n")
    print(f"{count - len(bad)} of {count} right, {time.monotonic() - began:.0f} s", *bad, sep="  ")
    return 1 if bad else 0


def seen(case: Case) -> tuple[str, str]:
    """What is seen of a case now, and what is right; an error that it ends in is what is seen."""
    with tempfile.TemporaryDirectory(prefix="dgd-meaning-", ignore_cleanup_errors=True) as folder:
        try:
            return case.see(Path(folder))
        except Exception as error:  # a case that crashes is a finding, and the others go on
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", "no error"


def visited(name: str, client: Any = None) -> tuple[dict[str, str], list[str]]:
    """What each door gives for a format, and the doors where that is not right; ImportError without its library."""
    with (
        tempfile.TemporaryDirectory(prefix="dgd-meaning-", ignore_cleanup_errors=True) as folder,
        FORMATS[name][1](Path(folder)) as data,
    ):
        visit = Visit(data, Path(folder), client)
        cells = {door: enter(door, visit) for door in DOORS}
        return cells, [door for door, cell in cells.items() if not is_right(door, data, cell)]


def show_doors(names: list[str]) -> int:
    """A table in Markdown, then what was said where something is refused."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from clusters import cluster

    rows, notes, bad = [], [], []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, cluster(Path(folder)) as two:
        two.add_worker()
        two.add_worker()
        for name, (what, _) in FORMATS.items():
            if not chosen(name, names):
                continue
            try:
                cells, wrong = visited(name, two.client)
            except ImportError as error:
                rows.append([what, f"not tried: {error}"])
                continue
            rows.append([what, *(mark(cell) for cell in cells.values())])
            notes += [f"{name}, {door}: {cell}" for door, cell in cells.items() if cell not in (WORKS, NOTHING)]
            bad += [f"{name}, {door}" for door in wrong]
    print("| format |", " | ".join(DOORS), "|")
    print("|---" * (1 + len(DOORS)) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(*notes, sep="\n")
    print(f"{len(bad)} not right", *bad, sep="  ")
    return 1 if bad else 0


def mark(cell: str) -> str:
    """A cell of the table."""
    return cell if cell in (WORKS, NOTHING) else cell.partition(":")[0].split()[0]


if __name__ == "__main__":
    sys.exit(main())
