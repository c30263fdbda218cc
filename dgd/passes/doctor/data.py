"""Whether all processes see the same dataset, and how fast each reads it."""

from __future__ import annotations

from collections.abc import Sequence

from dgd.errors.words import counted, size, visible, without_secrets
from dgd.passes.doctor.finding import FAULT, OK, Finding, named, of_error
from dgd.passes.doctor.process import HERE, Process, names_of
from dgd.passes.doctor.sample import MOST_BYTES

CACHED = "files may have been in memory"
LEAST_TIMED = 2**22
"""Bytes that a process has to read for its speed to mean something."""


def data_findings(processes: Sequence[Process], location: str) -> list[Finding]:
    """Each process that was asked for it has `data` among its facts."""
    asked = [each for each in processes if "data" in each.facts]
    told = visible(without_secrets(location))
    found = _errors([each for each in asked if "error" in each.facts["data"]], told)
    seeing = [each for each in asked if "error" not in each.facts["data"]]
    found += _unlike(seeing, told)
    if found:
        return found + _speeds(seeing)
    workers = counted(sum(each.is_worker for each in seeing), "worker")
    same = "" if len(seeing) < 2 else f": the same here and on {workers}"
    return [Finding(OK, "data", f"{told} is seen{same}", where=names_of(seeing)), *_speeds(seeing)]


def _errors(failing: Sequence[Process], told: str) -> list[Finding]:
    """Those that do not see it, and those that see it and cannot read it."""
    blind = [each for each in failing if not each.facts["data"]["seen"]]
    found = []
    if elsewhere := names_of(each for each in blind if each.name != HERE):
        verb = "does" if len(elsewhere) == 1 else "do"
        fix = "mount the dataset there under the same path, or give a URL"
        found.append(Finding(FAULT, "data", f"{named(elsewhere)} {verb} not see {told}", fix, elsewhere))
    for each in failing:
        if each in blind and each.name != HERE:
            continue
        finding = of_error("data", each.facts["data"]["error"], (each.name,))
        text = finding.found if each.name == HERE else f"{each.name}: {finding.found}"
        found.append(Finding(FAULT, "data", text, finding.fix, (each.name,)))
    return found


def _unlike(seeing: Sequence[Process], told: str) -> list[Finding]:
    """Workers that see other data under that name."""
    if not seeing or seeing[0].name != HERE:
        return []
    own, found = seeing[0].facts["data"], []
    for key, what in (("fingerprint", "metadata"), ("first", "numbers in the first chunk")):
        unlike = names_of(each for each in seeing if each.facts["data"][key] not in (None, own[key]))
        if unlike:
            text = f"{named(unlike)} {'finds' if len(unlike) == 1 else 'find'} other {what} at {told} than this process"
            fix = "mount the same folder everywhere, and look for a stale copy"
            found.append(Finding(FAULT, "data", text, fix, unlike))
            break
    return found


def _speeds(seeing: Sequence[Process]) -> list[Finding]:
    """How fast the sample was read."""
    read = [each for each in seeing if each.facts["data"]["chunks"]]
    if not read:
        each = max((each.facts["data"]["chunk_bytes"] for each in seeing), default=0)
        if not each:
            return []
        text = f"nothing was read: a chunk takes {size(each)}, more than the {size(MOST_BYTES)} that are looked at"
        return [Finding(OK, "reading", text, where=names_of(seeing))]
    if min(each.facts["data"]["decoded_bytes"] for each in read) < LEAST_TIMED:
        text = f"what was read is too little to be timed, less than {size(LEAST_TIMED)}"
        return [Finding(OK, "reading", text, where=names_of(read))]
    rates = sorted((speed(each), each.name) for each in read)
    sample = sum(each.facts["data"]["decoded_bytes"] for each in read)
    at_once = "one thread" if len(read) == 1 else f"one thread in each of {len(read)} processes, workers at once"
    slow, fast = rates[0], rates[-1]
    rate = f"{slow[0]:.2g} GB/s" if len(rates) == 1 else f"{slow[0]:.2g} ({slow[1]}) to {fast[0]:.2g} GB/s ({fast[1]})"
    text = f"{rate} by {at_once}, on {size(sample)} of decoded chunks; {CACHED}"
    return [Finding(OK, "reading", text, where=names_of(read))]


def speed(process: Process) -> float:
    """Decoded GB a second."""
    data = process.facts["data"]
    return float(data["decoded_bytes"] / max(data["seconds"], 1e-9) / 1e9)
