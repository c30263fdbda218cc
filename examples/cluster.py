"""The same bits on a cluster, even when one of its workers is killed in the middle of the fit.

    python examples/cluster.py

Two worker processes on this machine stand for a cluster of any size: with an address in place of the LocalCluster
(`Client("tcp://scheduler:8786")`) the rest is the same. `deploy/README.md` tells how to run a real one.
"""

import os
import signal
import tempfile
import threading
from pathlib import Path

import dask
import numpy as np
from distributed import Client, LocalCluster

import dgd

CHUNKS = 32
CHUNK_ROWS = 2**14
FEATURES = 16
KILL_AFTER = 5  # passes


def claim(text: str, holds: bool) -> None:
    """Print a statement that holds; stop at one that does not."""
    if not holds:  # raised by hand: `python -O` drops assert statements
        raise AssertionError(f"this is not true: {text}")
    print(f"   ✓ {text}")


def write(path: Path) -> None:
    """Correlated columns, so that gradient descent has some way to go (`solver="auto"` would be done in one pass)."""
    rng = np.random.default_rng(42)
    with dgd.DatasetWriter(path, chunk_rows=CHUNK_ROWS) as writer:
        for _ in range(CHUNKS):
            X = rng.standard_normal((CHUNK_ROWS, FEATURES)) + 0.3 * rng.standard_normal((CHUNK_ROWS, 1))
            writer.append(X, X @ np.arange(FEATURES) + rng.standard_normal(CHUNK_ROWS))


def fit_while_a_worker_dies(path: Path, client: Client) -> dgd.Result:
    """A fit during which one worker process is killed, as by a power cut: SIGKILL leaves it no last word."""
    victim = next(iter(client.run(os.getpid).values()))
    passes_before_death: list[int] = []
    passes: list[dgd.Record] = []

    def kill() -> None:
        os.kill(victim, signal.SIGKILL)
        passes_before_death.append(len(passes))

    def after_each_pass(record: dgd.Record) -> None:
        passes.append(record)
        if record.iteration == KILL_AFTER:  # half a pass from now, while the worker is busy with the next one
            threading.Timer(record.seconds / 2, kill).start()

    result = dgd.fit(path, solver="gd", client=client, callbacks=[after_each_pass])
    client.wait_for_workers(2, timeout=30)  # the killed worker's nanny has started another one
    died = passes_before_death[0] + 1
    usual = np.median([record.seconds for record in result.history])
    print(f"   process {victim} was killed during pass {died} of {result.n_iter_}")
    print(f"   that pass took {result.history[died - 1].seconds:.2f} s, the others about {usual:.2f} s")
    claim("the worker died in the middle, and is gone", died < result.n_iter_ and not alive(victim, client))
    return result


def alive(pid: int, client: Client) -> bool:
    return pid in client.run(os.getpid).values()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="dgd-cluster-") as name:
        # On a real cluster this is shared storage: workers read the chunks themselves, from the same path or URL.
        path = Path(name) / "train.zarr"
        write(path)

        print("1  Threads of this process")
        on_threads = dgd.fit(path, solver="gd", threads=2)
        print(f"   {on_threads.message}\n   {on_threads.n_iter_} passes, loss {on_threads.loss!r}")

        # 127.0.0.1, because whoever reaches a scheduler's port can run code on its workers. The dashboard is off; the
        # HTTP server behind it stays, and port 0 lets it take any that is free instead of quarrelling over 8787.
        with (
            dask.config.set({"temporary-directory": name}),
            LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=":0",
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            ) as cluster,
            Client(cluster) as client,
        ):
            print("\n2  Two worker processes")
            on_cluster = dgd.fit(path, solver="gd", client=client)
            print(f"   {on_cluster.plan.line()}")
            # Not approximately: sums are added along a tree that belongs to the data, whoever computes its parts.
            claim("θ is the same to the bit", on_cluster.theta.tobytes() == on_threads.theta.tobytes())

            print("\n3  Two worker processes, one of them killed (on stderr, Dask tells how it took it)", flush=True)
            with_death = fit_while_a_worker_dies(path, client)
            claim("θ is the same to the bit", with_death.theta.tobytes() == on_threads.theta.tobytes())
            losses = [record.loss for record in with_death.history]
            claim("and so is every pass's loss", losses == [record.loss for record in on_threads.history])


# Worker processes import this file anew: without the guard each of them would start a cluster of its own.
if __name__ == "__main__":
    main()
