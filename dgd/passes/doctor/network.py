"""Clocks that differ, and ports that everybody can reach."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dgd.passes.cluster.encryption import ENCRYPTED, warning_of
from dgd.passes.doctor.finding import FAULT, OK, WARNING, Finding, named
from dgd.passes.doctor.process import SCHEDULER, Process, names_of

SKEW, LARGE_SKEW = 1.0, 300.0
"""Seconds: with more, logs cannot be compared; with that many, certificates and signed requests are refused."""
ALL = ("0.0.0.0", "::", "*")


def clock_findings(others: Sequence[Process]) -> list[Finding]:
    """The clock of each process against ours, the round trip taken off."""
    asked = [each for each in others if each.within is not None]
    found = []
    for each in asked:
        beyond = abs(each.ahead) - (each.within or 0.0)
        if beyond > SKEW:
            way = "ahead of" if each.ahead > 0 else "behind"
            text = f"the clock of {each.name} is {abs(each.ahead):.3g} s {way} this one"
            fix = "let both machines keep time (chrony, systemd-timesyncd)"
            found.append(Finding(FAULT if beyond > LARGE_SKEW else WARNING, "clock", text, fix, (each.name,)))
    if found or not asked:
        return found
    most = max(asked, key=lambda each: abs(each.ahead) + (each.within or 0.0))
    text = f"clocks differ by {abs(most.ahead):.2g} ± {most.within:.2g} s at most"
    return [Finding(OK, "clock", text, where=names_of(asked))]


def port_findings(others: Sequence[Process]) -> list[Finding]:
    """Ports of the scheduler and the workers that listen on all interfaces, and a way to them that is open."""
    found: list[Finding] = []
    seen, looked_at = set(), False
    opened: dict[tuple[str, bool], list[tuple[str, int]]] = {}  # names and ports, by what it is and whose
    # Workers and the scheduler may live in one process, whose ports are those of all of them.
    services = {port for each in others for port in each.dask.get("services", {}).values()}
    for each in others:
        for ip, port in each.facts.get("listening", ()):
            looked_at = True
            key = (each.facts["machine"], each.facts["pid"], port)
            if key in seen:
                continue
            seen.add(key)
            what = _what(each, port, services)
            if ip in ALL and not (what == "it" and str(each.dask.get("address", "")).startswith(ENCRYPTED)):
                opened.setdefault((what, each.name == SCHEDULER), []).append((each.name, port))
    found += [_open(what, named_ports) for (what, _), named_ports in opened.items()]
    for each in others:
        if each.name == SCHEDULER and (warning := warning_of(str(each.dask["address"]))) is not None:
            text, _, fix = warning.partition("; ")
            found.append(Finding(WARNING, "ports", text, fix, (each.name,)))
    if found or not looked_at:
        return found
    return [Finding(OK, "ports", "none listens on all interfaces without TLS", where=names_of(others))]


def _what(process: Process, port: int, services: Collection[int]) -> str:
    """Which of a process's ports it is."""
    if str(process.dask.get("address", "")).endswith(f":{port}"):
        return "it"
    return "dashboard" if port in services else "another server"


def _open(what: str, ports: Sequence[tuple[str, int]]) -> Finding:
    """Of one process, or of several workers that are alike in it; ports: with the names of their processes."""
    names = tuple(dict.fromkeys(name for name, _ in ports))
    who, verb = (names[0], "listens") if len(names) == 1 else (f"{len(names)} workers", "listen")
    numbers = named([str(port) for _, port in ports])
    which = f"port {numbers}" if len(ports) == 1 else f"ports {numbers}"
    if what == "it":
        open_to_all = f"{who} {verb} on all interfaces ({which}) without TLS"
        text = f"{open_to_all}: whoever reaches {'it' if len(names) == 1 else 'one'} can run code there"
        fix = "give it a private address (--host 10.0.0.1), or certificates (deploy/tls)"
    elif what == "dashboard":
        server = "the HTTP server" if len(names) == 1 else "the HTTP servers"
        text = f"{server} of {who} {verb} on all interfaces ({which}), not encrypted"
        fix = "start it with --dashboard-address 127.0.0.1:0"
    else:
        text = f"{who}: open on all interfaces, {which}"
        fix = "see what opens it, and keep others out by a firewall"
    return Finding(WARNING, "ports", text, fix, names)
