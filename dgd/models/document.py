"""JSON that may come from anybody, as an object."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 64
"""Objects and lists in one another."""


def parsed_object(content: bytes) -> dict[str, Any]:
    """The JSON object. Raises ValueError for anything else, a name that comes twice, or one nested too deep."""
    try:
        document = json.loads(content, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(document, dict):
        raise ValueError(f"it holds a JSON {type(document).__name__}, expected an object")
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _values(outer) if isinstance(inner, (dict, list))]
    if level:
        raise ValueError("it is nested too deep")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"it has {twice!r} twice")
    return found


def _values(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container
