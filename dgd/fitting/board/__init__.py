"""The fits of a cluster, on its scheduler's HTTP server: `/dgd`, and numbers for Prometheus.

board   what is known of the fits        page     the same as HTML        metrics   as Prometheus reads it
teller  a fit's callback that says how it gets on, in small messages

A fit on a cluster puts the page there by itself, where the scheduler has dgd. To have it there from the beginning:

    dask scheduler --preload dgd.fitting.board
"""

from __future__ import annotations

from typing import Any


async def dask_setup(scheduler: Any) -> None:
    """What Dask calls for `--preload dgd.fitting.board`."""
    from dgd.fitting.board.board import make_pages
    from dgd.passes.cluster.pages import install

    await install(scheduler, make_pages())
