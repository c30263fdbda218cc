"""One format on its way through the doors: its naive numbers, a model of it, and how it is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import dgd
from tests.meaning.formats import Data

L2 = 0.1
"""Of a softmax regression; its scikit-learn twin has C = 1 / (L2 · rows)."""


class Visit:
    """One format on its way through the doors."""

    def __init__(self, data: Data, folder: Path, client: Any = None) -> None:
        self.data, self.folder, self.client = data, folder, client

    @property
    def method(self) -> dict[str, Any]:
        """Loss and penalty."""
        return {"loss": "softmax", "penalty": dgd.penalties.L2(L2)} if self.data.classes else {}

    @cached_property
    def theta(self) -> np.ndarray:
        """The right coefficients, by NumPy or scikit-learn, of what the format's own library reads."""
        data = self.data
        X, y = data.X[data.complete], data.y[data.complete]
        if not data.classes:
            return np.asarray(np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), y, rcond=None)[0])
        from sklearn.linear_model import LogisticRegression

        twin = LogisticRegression(C=1 / (L2 * len(X)), tol=1e-10, solver="newton-cholesky").fit(X, y)
        return np.column_stack([twin.intercept_, twin.coef_]).T

    def by_path(self, call: Callable[..., Any], **more: Any) -> Any:
        """A call with the path."""
        return call(self.data.path, **self.data.named, **more)

    def by_object(self, call: Callable[..., Any], **more: Any) -> Any:
        """A call with the objects."""
        assert self.data.objects is not None
        X, y = self.data.objects
        return call(X, y, **self.data.reading, **more)

    @cached_property
    def model(self) -> dgd.Model:
        """A model of the numbers, as they are in memory."""
        data = self.data
        fitted = dgd.fit(data.X[data.complete], data.y[data.complete], **self.method).model
        named = self.by_path(dgd.open_dataset) if data.objects is None else self.by_object(dgd.open_dataset)
        return fitted if named.feature_names is None else replace(fitted, feature_names=named.feature_names)

    @property
    def options(self) -> list[str]:
        """How the shell names what `named` names."""
        found: list[str] = []
        for key, value in self.data.named.items():
            if key == "storage_options":
                flat = {"key": value["key"], "secret": value["secret"]}
                flat["client_kwargs.endpoint_url"] = value["client_kwargs"]["endpoint_url"]
                found += [word for name, text in flat.items() for word in ("--storage-option", f"{name}={text}")]
                continue
            option = {"X": "--x", "missing_chunks": "--missing-chunks"}.get(key, f"--{key}")
            found += [option, ",".join(value) if isinstance(value, list) else str(value)]
        return found
