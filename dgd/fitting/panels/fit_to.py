"""`dgd.fit_to`: least squares for more targets than memory holds, written to a Zarr group as they come."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from dgd._version import __version__
from dgd.data.dataset import Dataset
from dgd.data.folds import Folds
from dgd.data.grid import Coordinate
from dgd.data.reading import Reading, ReadingOptions, for_urls, is_url
from dgd.errors import ConfigurationError
from dgd.fitting.panels.asked import Asked, asked
from dgd.fitting.panels.basis import Factored
from dgd.fitting.panels.design import read_design
from dgd.fitting.panels.effect import COEF, INTERCEPT, L2, R2, ROWS, FitPanel, Panels, Tally
from dgd.fitting.panels.fitted_targets import FittedTargets
from dgd.fitting.panels.panel_sums import PanelSums
from dgd.fitting.panels.plan import PanelPlan, design_need, make_plan
from dgd.fitting.panels.solving import Solver
from dgd.passes.execution import Execution, execution_of
from dgd.passes.session import Session, session
from dgd.penalties import Penalty

MEANINGS = {
    COEF: "coefficient",
    INTERCEPT: "intercept",
    R2: "part of the variance that is explained",
    L2: "strength of the l2 penalty",
    ROWS: "rows with a weight and a value",
}


def fit_to(
    data: Any,
    out: str | os.PathLike[str],
    y: Any = None,
    *,
    weight: Any = None,
    penalty: Penalty | None = None,
    strengths: Sequence[float] | None = None,
    by: str = "gcv",
    folds: int | Folds = 5,
    seed: int = 0,
    fit_intercept: bool = True,
    panel: int | None = None,
    overwrite: bool = False,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> FittedTargets:
    """Fit the squared loss to each target of a wide y, and write the coefficients to a Zarr group as they come.

        minimise over b₀, b   1/Σw Σ w (b₀ + xᵀb − y)² + ½ l2 ‖b‖²        for each target, from one read of y

    For more targets than memory holds, such as the pixels of a map or the voxels of a scan. X is factored once; y is
    read in panels of whole stored chunks, each by one thread or worker. `plan_fit_to` says how many, how often X and y
    are read, and what memory it takes.

    data, weight, reading: see `open_dataset`. X has a row for each row of y.
    out: a local path or a URL; what dgd wrote there is replaced only with `overwrite`. An interrupted write is marked
        as such; the same call of stored data again goes on with what is missing, and ends with the same bits.
    y: a name, a path or URL, or an array of NumPy, Zarr, Dask or xarray, (m, …): each cell of the dimensions after the
        first is a target.
    penalty: None, or an L2 of one strength for all targets.
    strengths: of l2, to choose the best among for each target. by: "gcv", generalised cross-validation, or "folds", the
        exact error of each of so many `folds` for coefficients of the others; seed: of the folds.
    panel: targets at a time at most; by default what memory allows and reads ask for. It changes no bit.
    missing="drop": cells of y that are missing are left out, target by target: each is fitted from the rows that it
        has, and is NaN where it has too few. Rows with a missing cell in X or the weights are left out for all.
    client, threads, execution: where it runs, as for `fit`; it changes no bit.

    Written, with the dimensions of the targets and their coordinates, for `xarray.open_zarr`: `coef` (…, feature),
    `intercept`, `r2`, `l2` where it is chosen, and with missing="drop" `rows_used`. Coefficients differ from those of a
    lone `dgd.fit` by rounding: about 16 digits less those of the condition of X.

    Raises PlanError where it does not fit, ConfigurationError, WriteError, and DataError, such as ValueRangeError with
    row and target of a value that is not finite.
    """
    where = execution_of(execution, client, threads)
    own = reading if not is_url(out) else for_urls(reading, data, y, weight)
    found = asked(
        "fit_to",
        data,
        y,
        weight,
        penalty=penalty,
        strengths=strengths,
        by=by,
        folds=folds,
        seed=seed,
        fit_intercept=fit_intercept,
        panel=panel,
        reading=Reading.of("fit_to", own),
        where=where,
    )
    _check_out(found, out, overwrite=overwrite)
    with session(_near_the_data(found, where)) as running:
        plan = _plan(found, running)
        plan.check()
        options = reading.get("storage_options") if is_url(out) else None
        return _fitted(found, running, plan, out, overwrite=overwrite, options=options)


def plan_fit_to(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    penalty: Penalty | None = None,
    strengths: Sequence[float] | None = None,
    by: str = "gcv",
    folds: int | Folds = 5,
    seed: int = 0,
    fit_intercept: bool = True,
    panel: int | None = None,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> PanelPlan:
    """What `fit_to` of the same arguments will cost, in reads and memory; nothing but metadata is read.

    It says whether it fits (`fits`); only the fit itself raises PlanError.
    """
    where = execution_of(execution, client, threads)
    found = asked(
        "plan_fit_to",
        data,
        y,
        weight,
        penalty=penalty,
        strengths=strengths,
        by=by,
        folds=folds,
        seed=seed,
        fit_intercept=fit_intercept,
        panel=panel,
        reading=Reading.of("plan_fit_to", reading),
        where=where,
    )
    with session(_near_the_data(found, where)) as running:
        return _plan(found, running)


def _near_the_data(found: Asked, where: Execution) -> Execution:
    """Targets in this process's memory stay in it unless a client is named."""
    in_memory = found.job.targets.rows.lies_in_memory
    return where.on_threads() if in_memory and where.client is None else where


def _plan(found: Asked, running: Session) -> PanelPlan:
    tiles = len(found.job.tiles.order)
    whole = Dataset(Panels(tiles, found.job.targets.rows.footprint.per_pass // tiles))
    resources = running.executor.resources(whole)
    first = running.plan(found.job.dataset, design_need(found.job))
    return make_plan(found.job, resources, first, resident=running.resident, panel=found.panel)


def _check_out(found: Asked, out: Any, *, overwrite: bool) -> None:
    """Refuse early what cannot be written to."""
    from dgd.data.zarr.folders import local_folder, make_room
    from dgd.data.zarr.outputs import is_unfinished, refuse_own_input

    dataset, rows = found.job.dataset, found.job.targets.rows
    refuse_own_input("fit_to", dataset, out)
    label = getattr(getattr(getattr(rows, "rows", rows), "source", None), "label", None)
    if label is not None:
        refuse_own_input("fit_to", replace(dataset, source=label), out)
    if not is_url(out) and not overwrite and not is_unfinished(local_folder(out)):
        make_room(local_folder(out), overwrite=False)
    names = {each.name for each in found.job.targets.find()} & MEANINGS.keys()
    if names:
        raise ConfigurationError(
            f"`fit_to` writes arrays of its own called {', '.join(sorted(names))}; rename those of y"
        )


def _fitted(
    found: Asked, running: Session, plan: PanelPlan, out: Any, *, overwrite: bool, options: Any
) -> FittedTargets:
    from dgd.data.zarr.tile_writer import TileWriter

    job = found.job
    first = running.plan(job.dataset, design_need(job))
    dataset = running.reading(job.dataset, first)
    design = read_design(
        running.executor,
        dataset,
        keeps=plan.x_resident,
        folds=found.folds,
        fit_intercept=found.fit_intercept,
        penalised=bool(found.strengths.any()),
    )
    dims, further = _dimensions(found)
    names: dict[str, int | None] = {COEF: plan.features}
    names |= dict.fromkeys([INTERCEPT, *[L2] * found.chooses, *[ROWS] * job.drop, R2])
    features = job.dataset.feature_names
    coordinates = list(job.targets.find())
    if features is not None:
        coordinates.append(Coordinate(further, (further,), np.array(features)))
    with TileWriter.created(
        out,
        sizes=job.tiles.sizes,
        tile=job.tiles.tile,
        dims=dims,
        names=names,
        further=further,
        coordinates=coordinates,
        attributes={name: {"long_name": meaning} for name, meaning in MEANINGS.items()},
        identity=_identity(found, design.factored),
        overwrite=overwrite,
        options=options,
    ) as writer:
        sums = PanelSums(
            targets=replace(job.targets, find=tuple),
            tiles=job.tiles,
            groups=job.groups,
            basis=design.rows,
            rank=design.factored.basis.rank,
            folds=job.folds,
            centred=found.fit_intercept,
            drop=job.drop,
        )
        panels = Dataset(Panels(plan.panels, plan.y_bytes // plan.panels))
        effect = FitPanel(sums, Solver(design.factored, found.strengths, design.folds), writer, plan.panel_tiles)
        tally: Tally = running.executor.sweep(panels, effect).value
        writer.commit(fingerprint=_digest(job.dataset.identity, job.targets.rows.fingerprint))
    return FittedTargets(
        out=writer.output.label,
        targets=tally.targets,
        targets_without=tally.without,
        targets_partial=tally.partial,
        rows=design.factored.rows,
        rows_left_out=design.rows_left_out,
        rank=design.factored.basis.rank,
        digits=design.factored.digits,
        bytes_read=design.bytes_read + tally.bytes_read,
        tiles_found=tally.found,
        plan=plan,
    )


def _dimensions(found: Asked) -> tuple[tuple[str, ...], str]:
    """The names of the targets' dimensions, and of that of the features."""
    count = len(found.job.tiles.sizes)
    named = found.job.targets.dims
    dims = named[1:] if named is not None else ("target",) if count == 1 else tuple(f"target_{k}" for k in range(count))
    further = "feature"
    while further in dims:
        further += "_"
    return dims, further


def _identity(found: Asked, factored: Factored) -> str:
    """A digest of all that decides a bit of the result; of arrays whose values are not known, no two are the same."""
    job, rows = found.job, found.job.targets.rows
    stored = getattr(rows, "rows", rows)
    known = hasattr(stored, "format") or rows.fingerprint.startswith("dask:")
    numbers = (factored.values, factored.vectors, factored.mean, factored.products, found.strengths)
    return _digest(
        __version__,
        rows.fingerprint if known else uuid.uuid4().hex,
        json.dumps([job.tiles.sizes, job.tiles.tile, job.groups.chunks[-1], job.drop, found.by, found.fit_intercept]),
        *(np.ascontiguousarray(each).tobytes().hex() for each in numbers),
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
