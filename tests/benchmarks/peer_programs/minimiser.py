"""SciPy's minimiser as peers call it, with its iterations handed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import scipy.optimize


@contextmanager
def followed(add: Callable[[Any], None]) -> Iterator[None]:
    """`scipy.optimize.minimize` tells every iterate to `add`."""
    minimise = scipy.optimize.minimize

    def noted(*arguments: Any, **options: Any) -> Any:
        its_own = options.pop("callback", None)

        def callback(intermediate_result: Any) -> None:
            add(intermediate_result.x)
            if its_own is not None:
                its_own(intermediate_result)

        return minimise(*arguments, **options, callback=callback)

    scipy.optimize.minimize = noted
    try:
        yield
    finally:
        scipy.optimize.minimize = minimise
