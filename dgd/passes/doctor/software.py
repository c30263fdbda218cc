"""Whether all processes have the same software, and compute the same bits."""

from __future__ import annotations

from collections.abc import Sequence

from dgd.errors.words import counted
from dgd.passes.cluster.software import kernel
from dgd.passes.doctor.finding import FAULT, OK, WARNING, Finding, named
from dgd.passes.doctor.process import SCHEDULER, Process, grouped, names_of
from dgd.passes.sums.compiled.compiler import SWITCH

PACKAGES = {"numpy": "NumPy", "zarr": "zarr", "dask": "dask", "distributed": "distributed"}


def software_findings(here: Process, others: Sequence[Process]) -> list[Finding]:
    """Versions, and what decides the last bits of a sum."""
    return [*_versions(here, others), *_bits(here, [each for each in others if each.name != SCHEDULER])]


def _versions(here: Process, others: Sequence[Process]) -> list[Finding]:
    own = here.facts
    found = [
        *_dgd(here, others),
        *(
            _other(label, name, own[name], version, processes)
            for name, label in PACKAGES.items()
            for version, processes in grouped(others, name).items()
            if version != own[name]
        ),
        *(
            Finding(
                WARNING,
                "versions",
                f"{named(names_of(processes))} {_has(processes)} Python {version}, here it is {own['python']}",
                f"start {_them(processes)} with Python {_minor(own['python'])}",
                names_of(processes),
            )
            for version, processes in grouped(others, "python").items()
            if _minor(version) != _minor(own["python"])
        ),
    ]
    if found:
        return found
    told = ", ".join(f"{label} {own[name]}" for name, label in PACKAGES.items())
    return [
        Finding(OK, "versions", f"Python {own['python']}, dgd {own['dgd']}, {told}{_same_on(others)}", where=("here",))
    ]


def _dgd(here: Process, others: Sequence[Process]) -> list[Finding]:
    own = here.facts
    found = []
    for version, processes in grouped(others, "dgd").items():
        names = names_of(processes)
        if version is None:
            why = processes[0].facts.get("error", "")
            text = f"{named(names)} {_has(processes)} no dgd ({why})"
        elif version != own["dgd"]:
            text = f"{named(names)} {_has(processes)} dgd {version}, here it is {own['dgd']}"
        else:
            continue
        found.append(Finding(FAULT, "versions", text, _install("dgd", own["dgd"], processes), names))
    alike = [each for each in others if each.facts.get("dgd") == own["dgd"]]
    unlike = [each for each in alike if each.facts.get("digest") != own["digest"]]
    if unlike:
        text = f"{named(names_of(unlike))} {_has(unlike)} dgd {own['dgd']} of another source than here"
        fix = f"install the same there, and start {_them(unlike)} anew"
        found.append(Finding(FAULT, "versions", text, fix, names_of(unlike)))
    return found


def _other(label: str, package: str, own: str, version: str | None, processes: Sequence[Process]) -> Finding:
    names = names_of(processes)
    text = f"{named(names)} {_has(processes)} {label} {version}, here it is {own}"
    if version is None:
        text = f"{named(names)} {_has(processes)} no {label}"
    return Finding(WARNING, "versions", text, _install(package, own, processes), names)


def _bits(here: Process, workers: Sequence[Process]) -> list[Finding]:
    """BLAS chooses its kernel by the processor, and NumPy some of its loops."""
    known = [here, *(each for each in workers if each.is_known)]
    found = []
    kernels = {kernel(dict(each.facts)): each for each in known}
    simd = grouped([Process(each.name, {"simd": tuple(each.facts["simd"])}) for each in known], "simd")
    if len(kernels) > 1:
        each = [
            f"{text} ({named(names_of(one for one in known if kernel(dict(one.facts)) == text))})" for text in kernels
        ]
        fix = (
            "leave unlike workers out with --same-bits require, or set OPENBLAS_CORETYPE (say Haswell) alike for all "
            "of them and here"
        )
        if len({each.facts.get("compiler", "") for each in known}) > 1:
            fix += f", with the same numba or {SWITCH}=1 (it sums data from 512 MiB on)"
        text = f"sums may have other last bits: {' and '.join(each)}"
        found.append(Finding(WARNING, "BLAS", text, fix, names_of(known)))
    elif len(simd) > 1:
        own = set(here.facts["simd"])
        unlike = [each for each in known if set(each.facts["simd"]) != own]
        differing = sorted({name for each in unlike for name in own ^ set(each.facts["simd"])})
        text = (
            f"{named(names_of(unlike))} and this process have unlike processors ({', '.join(differing)}), by which "
            f"NumPy chooses some loops: sums may have other last bits"
        )
        fix = f"set NPY_DISABLE_CPU_FEATURES='{' '.join(differing)}' for those that have them"
        found.append(Finding(WARNING, "BLAS", text, fix, names_of(unlike)))
    return found or [Finding(OK, "BLAS", f"{next(iter(kernels))}{_same_on(workers)}", where=("here",))]


def _same_on(others: Sequence[Process]) -> str:
    """Where it is the same as here."""
    workers = sum(each.is_worker for each in others)
    places = ["the scheduler"] if any(each.name == SCHEDULER for each in others) else []
    places += [counted(workers, "worker")] if workers else []
    return f": the same here and on {' and '.join(places)}" if places else ""


def _install(package: str, version: str, processes: Sequence[Process]) -> str:
    return f"pip install {package}=={version} on {named(names_of(processes))}, and start {_them(processes)} anew"


def _them(processes: Sequence[Process]) -> str:
    return "it" if len(processes) == 1 else "them"


def _has(processes: Sequence[Process]) -> str:
    return "has" if len(processes) == 1 else "have"


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
