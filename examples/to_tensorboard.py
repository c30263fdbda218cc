"""A callback that sends a fit to TensorBoard: loss and gradient by pass, what a pass reads, the coefficients.

To be copied. PyTorch's writer and the one of tensorboardX have the same methods.

    pip install tensorboard tensorboardX
    python examples/to_tensorboard.py   # then: tensorboard --logdir runs
"""

import math

import numpy as np
from tensorboardX import SummaryWriter

import dgd


class ToTensorBoard:
    """One folder of events for each fit."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def on_start(self, beginning: dgd.callbacks.Beginning) -> None:
        """What is fitted, as text."""
        self.writer = SummaryWriter(self.folder)
        self.writer.add_text("fit", "\n".join(f"    {n}: {v}" for n, v in beginning.as_json().items()))

    def __call__(self, record: dgd.Record) -> None:
        """A pass. What is not finite has no place in a curve."""
        found = {
            "loss/train": record.loss,
            "loss/validation": math.nan if record.validation_loss is None else record.validation_loss,
            "gradient": record.grad_norm,
            "pass/seconds": record.seconds,
            "pass/bytes read": record.bytes_read,
        }
        for name, value in found.items():
            if math.isfinite(value):
                self.writer.add_scalar(name, value, record.iteration)
        if record.theta is not None and np.isfinite(record.theta).all():
            self.writer.add_histogram("coefficients", record.theta, record.iteration)
        self.writer.flush()

    def on_end(self, result: dgd.Result | None, error: BaseException | None) -> None:
        """How it ended."""
        self.writer.add_text("end", str(error) if result is None else result.message)
        self.writer.close()


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 5))
    y = rng.uniform(size=10_000) < 1 / (1 + np.exp(-X @ [1, -1, 0.5, 0, 2]))
    result = dgd.fit(X, y.astype(float), loss="logistic", solver="lbfgs", callbacks=[ToTensorBoard("runs/dgd")])
    print(f"{result.n_iter_} passes are in runs/dgd")
