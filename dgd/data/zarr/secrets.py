"""The secrets in storage options, which are kept out of errors, models and logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEAST = 4
"""Shorter values are no secrets, and would be cut out of ordinary words."""
PLAIN = {"endpoint", "endpoint_url", "profile", "protocol", "region", "region_name", "requester_pays", "version_aware"}
"""Options whose values may be told."""


def without(secrets: tuple[str, ...], text: str) -> str:
    """The text with a mark in the place of each of these words."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


def secrets_in(options: Any, name: str = "") -> tuple[str, ...]:
    """The words in storage options that may be secret, the longest first: all texts but those of PLAIN options."""
    if isinstance(options, Mapping):
        found = {word for key, value in options.items() for word in secrets_in(value, str(key))}
    elif isinstance(options, list | tuple):
        found = {word for value in options for word in secrets_in(value, name)}
    else:
        found = {options} if isinstance(options, str) and len(options) >= LEAST and name not in PLAIN else set()
    return tuple(sorted(found, key=len, reverse=True))


def secrets_of(store: Any) -> tuple[str, ...]:
    """Those of a store's file system, and of one that it wraps."""
    systems = [getattr(store, "fs", None), getattr(getattr(store, "fs", None), "sync_fs", None)]
    return secrets_in([getattr(fs, "storage_options", {}) for fs in systems if fs is not None])
