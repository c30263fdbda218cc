"""What tells one dataset from another, as digests of its arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dgd.data.rows import Rows


def fingerprint_of(arrays: Iterable[Rows]) -> str:
    """Of their metadata: equal for equal data read the same way."""
    digest = hashlib.sha256()
    for rows in arrays:
        digest.update(rows.fingerprint.encode("utf-8", "surrogatepass"))
    return f"sha256:{digest.hexdigest()}"


def identity_of(arrays: Iterable[Rows]) -> str:
    """Of their metadata, and of the checksums of those whose writer left no list of them."""
    digest = hashlib.sha256()
    for rows in arrays:
        digest.update(rows.fingerprint.encode("utf-8", "surrogatepass"))
        for stored in rows.stored(0, rows.shape[0]):
            digest.update(b"" if stored.checksums.is_left else (stored.checksums.digest or "").encode())
    return f"sha256:{digest.hexdigest()}"
