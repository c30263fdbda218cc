"""What a check found: how bad it is, where, and what mends it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dgd.errors.words import counted, visible, without_secrets

SCHEMA = 1
"""Of `Checkup.as_json`; a number more where a field changes its meaning."""
OK, WARNING, FAULT = "ok", "warning", "fault"
SEVERITIES = (OK, WARNING, FAULT)
MOST_NAMED = 3
INDENT = 22


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    severity: str
    """"ok"; "warning": works, but slower, with other last bits, or less safe; "fault": a job fails, or is refused."""
    check: str
    """What was looked at, in a word."""
    found: str
    fix: str = ""
    """What to type or change; empty where there is nothing to mend."""
    where: tuple[str, ...] = ()
    """The processes it is about: "here", "scheduler", "worker tcp://…"."""


@dataclass(frozen=True)
class Checkup:
    """What `dgd.doctor` found."""

    findings: tuple[Finding, ...]
    processes: tuple[dict[str, Any], ...]
    """What each process said, exactly: `name`, versions, processors, memory, clock, ports, disks, the sample read."""

    @property
    def worst(self) -> str:
        """The severity of the worst finding: "ok", "warning" or "fault"."""
        return max((finding.severity for finding in self.findings), key=SEVERITIES.index, default=OK)

    def table(self, width: int = 100) -> str:
        """A paragraph for each finding, the fix below it, and a line that counts."""
        lines = [line for finding in self.findings for line in _paragraph(finding, width)]
        return "\n".join([*lines, "", self._count()])

    def __str__(self) -> str:
        return self.table()

    def as_json(self) -> dict[str, Any]:
        """All of it, exactly; schema says which fields there are."""
        findings = [asdict(finding) for finding in self.findings]
        return {"schema": SCHEMA, "worst": self.worst, "findings": findings, "processes": list(self.processes)}

    def _count(self) -> str:
        counts = [
            counted(number, severity)
            for severity in (FAULT, WARNING)
            if (number := sum(finding.severity == severity for finding in self.findings))
        ]
        return " and ".join(counts) or "nothing to mend"


def named(names: Sequence[str]) -> str:
    """The first of some names, and how many more."""
    more = len(names) - MOST_NAMED
    shown = list(names[:MOST_NAMED]) + ([f"{more} more"] if more > 0 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def of_error(check: str, error: str, where: tuple[str, ...], severity: str = FAULT) -> Finding:
    """An error of dgd's as a finding: what it says after its last semicolon is the way out."""
    text = without_secrets(" ".join(error.split()))
    found, semicolon, fix = text.rpartition("; ")
    return Finding(severity, check, found if semicolon else text, fix if semicolon else "", where)


def _paragraph(finding: Finding, width: int) -> list[str]:
    head = f"{finding.severity:<9}{finding.check:<{INDENT - 9}}"
    room = {"width": width, "subsequent_indent": " " * INDENT, "break_on_hyphens": False, "break_long_words": False}
    lines = textwrap.wrap(visible(finding.found), initial_indent=head, **room)  # type: ignore[arg-type]
    if finding.fix:
        lines += textwrap.wrap(f"fix: {visible(finding.fix)}", initial_indent=" " * INDENT, **room)  # type: ignore[arg-type]
    return lines
