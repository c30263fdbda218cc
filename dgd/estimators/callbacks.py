"""scikit-learn's callbacks (from 1.9 on): one task for each pass over the data. Without that module, nothing."""

from __future__ import annotations

from typing import Any

from dgd.fitting.record import Record

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """What scikit-learn before 1.9 has no callbacks for."""

    def with_callbacks(method: Any) -> Any:
        """The method as it is."""
        return method


class PassTasks:
    """The tasks of one fit as its callbacks see them; itself a callback of `dgd.fit`, true where one asks to stop."""

    def __init__(self, estimator: Any, max_iter: int, X: Any, y: Any, sample_weight: Any) -> None:
        self._estimator = estimator
        self._data = {
            "X": X,
            "y": y,
            "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
        }
        self._context = None
        if hasattr(estimator, "_init_callback_context"):
            self._context = estimator._init_callback_context(max_subtasks=max_iter + 1)
            self._context.call_on_fit_task_begin(estimator=estimator, **self._data)

    def __call__(self, record: Record) -> bool:
        """One pass is over."""
        if self._context is None:
            return False
        task = self._context.subcontext(task_name="pass")
        task.call_on_fit_task_begin(estimator=self._estimator, **self._data)
        return bool(self._end(task, lambda: self._estimator._attributes(record.theta)))

    def end(self) -> None:
        """The fit is over."""
        if self._context is not None:
            names = ("coef_", "intercept_")
            self._end(self._context, lambda: {name: getattr(self._estimator, name) for name in names})

    def _end(self, task: Any, attributes: Any) -> Any:
        return task.call_on_fit_task_end(estimator=self._estimator, reconstruction_attributes=attributes, **self._data)


__all__ = ["CallbackSupportMixin", "PassTasks", "with_callbacks"]
