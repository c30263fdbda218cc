"""A callback that sends a fit to MLflow: its arguments, loss and gradient by pass, the model's folder. To be copied.

pip install mlflow
python examples/to_mlflow.py        # then: mlflow ui
"""

import math
import tempfile
from pathlib import Path

import mlflow
import numpy as np

import dgd


class ToMLflow:
    """One run of MLflow for each fit; `experiment` is where it belongs."""

    def __init__(self, experiment: str) -> None:
        self.experiment = experiment

    def on_start(self, beginning: dgd.callbacks.Beginning) -> None:
        """The arguments of the fit, as parameters."""
        mlflow.set_experiment(self.experiment)
        mlflow.start_run()
        mlflow.log_params(beginning.as_json())

    def __call__(self, record: dgd.Record) -> None:
        """A pass: MLflow draws each figure by pass. What is not finite it does not take."""
        found = {name: getattr(record, name) for name in ("loss", "grad_norm", "seconds", "bytes_read")}
        found["validation_loss"] = math.nan if record.validation_loss is None else record.validation_loss
        mlflow.log_metrics({n: v for n, v in found.items() if math.isfinite(v)}, step=record.iteration)

    def on_end(self, result: dgd.Result | None, error: BaseException | None) -> None:
        """How it ended, and the model as `dgd.load_model` reads it."""
        if result is not None:
            mlflow.set_tag("dgd.status", result.status.name.lower())
            with tempfile.TemporaryDirectory() as folder:
                result.model.save(Path(folder, "model.dgd"))
                mlflow.log_artifacts(folder)
        mlflow.end_run("FINISHED" if error is None else "FAILED")


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 5))
    y = rng.uniform(size=10_000) < 1 / (1 + np.exp(-X @ [1, -1, 0.5, 0, 2]))
    result = dgd.fit(X, y.astype(float), loss="logistic", solver="lbfgs", callbacks=[ToMLflow("dgd")])
    print(f"{result.n_iter_} passes are in MLflow, with the model")
