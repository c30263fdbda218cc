"""A Dask cluster of processes on this machine, driven through stdin: `python -m dgd.passes.cluster.local`.

It prints its scheduler's address as a line of JSON, answers each line on stdin with the workers' peak memory, and ends
when stdin does: so it cannot outlive the program that started it. Nothing listens but on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import sys

import dask
from distributed import Client, LocalCluster

from dgd.passes.memory import peak_bytes


def main() -> None:
    """Start the cluster, answer until stdin ends, stop it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--memory-limit", type=int, required=True, help="bytes of each worker")
    parser.add_argument("--folder", required=True, help="where all of it puts its files")
    options = parser.parse_args()
    with (
        dask.config.set(temporary_directory=options.folder),
        LocalCluster(
            n_workers=options.workers,
            threads_per_worker=1,
            memory_limit=options.memory_limit,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
        ) as cluster,
        Client(cluster) as client,
    ):
        print(json.dumps({"scheduler": cluster.scheduler_address}), flush=True)
        for _ in sys.stdin:
            print(json.dumps({"peaks": list(client.run(peak_bytes).values())}), flush=True)


if __name__ == "__main__":
    main()
