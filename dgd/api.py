"""The library's functions; heavy libraries are imported on first use."""

from __future__ import annotations

from dgd.data.opening import open_dataset
from dgd.fitting.fit import MAX_ITER, TOL, fit, plan
from dgd.models.files import load_model
from dgd.models.serving import predict, score

__all__ = ["MAX_ITER", "TOL", "fit", "load_model", "open_dataset", "plan", "predict", "score"]
