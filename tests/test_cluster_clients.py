"""Which client a fit takes: none by itself in a task or a forked process, and none that cannot work."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from clusters import Cluster
from distributed import Client, LocalCluster

import dgd
from dgd.errors import ConfigurationError

SECONDS = 30


def bits(result: dgd.Result) -> bytes:
    return result.theta.tobytes()


@pytest.fixture(scope="module")
def one_thread(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A worker with one thread, on which somebody has used `worker_client` already."""
    from clusters import cluster

    def somebody() -> str:
        from distributed import worker_client

        with worker_client() as client:
            return str(client.id)

    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        found.add_worker()
        found.client.submit(somebody).result(timeout=SECONDS)
        yield found


def test_a_fit_in_a_task_runs_on_threads(store: str, one_thread: Cluster) -> None:
    def fit(path: str) -> str:
        import dgd

        return dgd.fit(path, max_iter=2).plan.kind

    def fit_in_a_thread(path: str) -> str:
        from concurrent.futures import ThreadPoolExecutor

        import dgd

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: dgd.fit(path, max_iter=2).plan.kind).result()

    for job in (fit, fit_in_a_thread):
        assert one_thread.client.submit(job, store, pure=False).result(timeout=SECONDS) == "threads"


@pytest.mark.each(2)
@pytest.mark.parametrize("freed", ["by dgd", "by the caller"])
def test_a_client_given_in_a_task_is_used(store: str, one_thread: Cluster, freed: str) -> None:
    """Though the task has the only thread of the only worker; twice, for the thread is taken back at the end."""

    def fit(path: str) -> Any:
        from contextlib import nullcontext

        from distributed import get_client, worker_client

        import dgd

        with worker_client() if freed == "by the caller" else nullcontext(get_client()) as client:
            result = dgd.fit(path, client=client, max_iter=4, tol=0)
            return result.plan.kind, result.theta.tobytes()

    expected = ("cluster", bits(dgd.fit(store, threads=1, max_iter=4, tol=0)))
    for _ in range(2):
        assert one_thread.client.submit(fit, store, pure=False).result(timeout=SECONDS) == expected


def test_a_forked_process_does_not_use_its_parents_client(store: str, one_thread: Cluster) -> None:
    def job() -> None:
        with one_thread.client.as_current():
            assert dgd.fit(store, max_iter=2, execution=dgd.Execution(worker_timeout=5)).plan.kind == "threads"
        with pytest.raises(ConfigurationError, match=r"before this process .* was forked"):
            dgd.fit(store, client=one_thread.client)

    assert in_a_fork(job) == 0


def in_a_fork(job: Callable[[], None]) -> int:
    """The exit status of a forked process that runs the job, killed after a while."""
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        try:
            job()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_client_of_threads_under_a_running_event_loop(store: str) -> None:
    """As in a notebook."""

    async def cell() -> tuple[dgd.Result, dgd.Result]:
        with (
            LocalCluster(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
        ):
            return dgd.fit(store, client=client, max_iter=4, tol=0), dgd.fit(store, max_iter=4, tol=0)

    given, active = asyncio.run(cell())
    assert given.plan.kind == active.plan.kind == "cluster"
    assert bits(given) == bits(active) == bits(dgd.fit(store, threads=1, max_iter=4, tol=0))


def test_an_asynchronous_client_is_refused_with_the_way_out(store: str, one_thread: Cluster) -> None:
    async def cell() -> dgd.Result:
        async with Client(one_thread.client.scheduler.address, asynchronous=True) as client:
            assert dgd.fit(store, max_iter=2).plan.kind == "threads"
            with pytest.raises(ConfigurationError, match=r"await asyncio.to_thread\(dgd.fit, ..., client=client\)"):
                dgd.fit(store, client=client)
            return await asyncio.to_thread(dgd.fit, store, client=client, max_iter=4, tol=0)

    result = asyncio.run(cell())
    assert result.plan.kind == "cluster"
    assert bits(result) == bits(dgd.fit(store, threads=1, max_iter=4, tol=0))


def test_a_closed_client_and_what_is_none_are_refused(store: str, one_thread: Cluster) -> None:
    client = Client(one_thread.client.scheduler.address, set_as_default=False)
    client.close()
    with pytest.raises(ConfigurationError, match="`client=` is closed"):
        dgd.fit(store, client=client)
    with pytest.raises(ConfigurationError, match="got a str"):
        dgd.fit(store, client="tcp://127.0.0.1:8786")
