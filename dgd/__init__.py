"""Exact linear models from chunked arrays, on one machine or a Dask cluster, on data bigger than memory.

    import dgd
    result = dgd.fit("train.zarr", learning_rate=0.1, max_iter=1000)
    result.model.save("model.dgd")
    dgd.predict_to(dgd.load_model("model.dgd"), "test.zarr", "pred.zarr")

Importing dgd loads nothing heavy: each name below is imported when it is first used, and zarr, dask and pyarrow by
those who need them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dgd._version import __version__

if TYPE_CHECKING:
    from dgd import errors, estimators, losses, penalties, solvers, testing
    from dgd.data.arrays.mixed_rows import MixedRows
    from dgd.data.dataset import Dataset
    from dgd.data.design import terms
    from dgd.data.design.design import Design
    from dgd.data.mixed import Coded
    from dgd.data.tables.ingest import ingest
    from dgd.data.tables.inspection.inspect import inspect
    from dgd.data.tables.text.dialect import Dialect
    from dgd.data.zarr.dataset_writer import DatasetWriter
    from dgd.data.zarr.info import info
    from dgd.fitting import callbacks, plots
    from dgd.fitting.checkpoint.resume import resume
    from dgd.fitting.fit import fit, plan
    from dgd.fitting.many.cross_validate import cross_validate
    from dgd.fitting.many.cross_validation import CrossValidation
    from dgd.fitting.many.curve_of_sizes import LearningCurve
    from dgd.fitting.many.learning_curve import learning_curve
    from dgd.fitting.many.path import path
    from dgd.fitting.many.path_result import Path
    from dgd.fitting.panels.fit_to import fit_to, plan_fit_to
    from dgd.fitting.panels.fitted_targets import FittedTargets
    from dgd.fitting.panels.plan import PanelPlan
    from dgd.fitting.record import Record
    from dgd.fitting.report.report import report
    from dgd.fitting.result import Result
    from dgd.fitting.summary.summarize import summarize
    from dgd.fitting.summary.summary import Summary, load_summary
    from dgd.models.export.export import export
    from dgd.models.inference.inference import Inference
    from dgd.models.model import Model, load_model
    from dgd.models.prediction.predict import predict
    from dgd.models.prediction.predict_to import predict_to
    from dgd.models.score import score
    from dgd.passes.copying import copy
    from dgd.passes.doctor.doctor import doctor
    from dgd.passes.events import Event
    from dgd.passes.execution import Execution
    from dgd.passes.opening import open_dataset
    from dgd.passes.verify import verify
    from dgd.solvers import Status

_HOMES = {
    "Coded": "dgd.data.mixed",
    "CrossValidation": "dgd.fitting.many.cross_validation",
    "Dataset": "dgd.data.dataset",
    "DatasetWriter": "dgd.data.zarr.dataset_writer",
    "Design": "dgd.data.design.design",
    "Dialect": "dgd.data.tables.text.dialect",
    "Event": "dgd.passes.events",
    "Execution": "dgd.passes.execution",
    "FittedTargets": "dgd.fitting.panels.fitted_targets",
    "Inference": "dgd.models.inference.inference",
    "LearningCurve": "dgd.fitting.many.curve_of_sizes",
    "MixedRows": "dgd.data.arrays.mixed_rows",
    "Model": "dgd.models.model",
    "PanelPlan": "dgd.fitting.panels.plan",
    "Path": "dgd.fitting.many.path_result",
    "Record": "dgd.fitting.record",
    "Result": "dgd.fitting.result",
    "Status": "dgd.solvers",
    "Summary": "dgd.fitting.summary.summary",
    "copy": "dgd.passes.copying",
    "cross_validate": "dgd.fitting.many.cross_validate",
    "doctor": "dgd.passes.doctor.doctor",
    "export": "dgd.models.export.export",
    "fit": "dgd.fitting.fit",
    "fit_to": "dgd.fitting.panels.fit_to",
    "info": "dgd.data.zarr.info",
    "ingest": "dgd.data.tables.ingest",
    "inspect": "dgd.data.tables.inspection.inspect",
    "learning_curve": "dgd.fitting.many.learning_curve",
    "load_model": "dgd.models.model",
    "load_summary": "dgd.fitting.summary.summary",
    "open_dataset": "dgd.passes.opening",
    "path": "dgd.fitting.many.path",
    "plan": "dgd.fitting.fit",
    "plan_fit_to": "dgd.fitting.panels.fit_to",
    "predict": "dgd.models.prediction.predict",
    "predict_to": "dgd.models.prediction.predict_to",
    "report": "dgd.fitting.report.report",
    "resume": "dgd.fitting.checkpoint.resume",
    "score": "dgd.models.score",
    "summarize": "dgd.fitting.summary.summarize",
    "verify": "dgd.passes.verify",
}
_PACKAGES = {
    **{name: f"dgd.{name}" for name in ("errors", "estimators", "losses", "penalties", "solvers", "testing")},
    "callbacks": "dgd.fitting.callbacks",
    "plots": "dgd.fitting.plots",
    "terms": "dgd.data.design.terms",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value: Any = getattr(import_module(_HOMES[name]), name)
    elif name in _PACKAGES:
        value = import_module(_PACKAGES[name])
    else:
        raise AttributeError(f"module 'dgd' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "Coded",
    "CrossValidation",
    "Dataset",
    "DatasetWriter",
    "Design",
    "Dialect",
    "Event",
    "Execution",
    "FittedTargets",
    "Inference",
    "LearningCurve",
    "MixedRows",
    "Model",
    "PanelPlan",
    "Path",
    "Record",
    "Result",
    "Status",
    "Summary",
    "__version__",
    "callbacks",
    "copy",
    "cross_validate",
    "doctor",
    "errors",
    "estimators",
    "export",
    "fit",
    "fit_to",
    "info",
    "ingest",
    "inspect",
    "learning_curve",
    "load_model",
    "load_summary",
    "losses",
    "open_dataset",
    "path",
    "penalties",
    "plan",
    "plan_fit_to",
    "plots",
    "predict",
    "predict_to",
    "report",
    "resume",
    "score",
    "solvers",
    "summarize",
    "terms",
    "testing",
    "verify",
]
