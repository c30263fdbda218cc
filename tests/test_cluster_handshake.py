"""Workers that cannot do the work, or would do it with other bits: found out before their first task, and left out."""

from __future__ import annotations

import re
import shutil
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import Cluster, cluster, two_in_this_process
from distributed import Client, get_worker

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError
from dgd.passes.cluster import cut, handshake, tasks
from dgd.passes.cluster.software import kernel, software
from dgd.passes.cluster.workers import Workers


def bits(result: dgd.Result) -> bytes:
    return result.theta.tobytes()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Of two workers in this process."""
    with two_in_this_process() as opened:
        yield opened


def stranger(found: Cluster, folder: Path, source: str) -> None:
    """A worker that imports this source as dgd; ALTERED: a copy with other sums."""
    if source == ALTERED:
        shutil.copytree(Path(dgd.__file__).parent, folder / "dgd")
        source = (folder / "dgd" / "__init__.py").read_text()
        squared = folder / "dgd" / "losses" / "squared.py"
        squared.write_text(squared.read_text().replace("raw_prediction - ", "0.01 + raw_prediction - "))
        assert "0.01 + " in squared.read_text()
    (folder / "dgd").mkdir(parents=True, exist_ok=True)
    (folder / "dgd" / "__init__.py").write_text(source)
    own, found.environment = found.environment, {**found.environment, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    found.add_worker()
    found.environment = own


ALTERED, NONE, OLD = "altered", "raise ModuleNotFoundError('No module named dgd')", "__version__ = '0.0.9'"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "reason"),
    [(NONE, "it has no dgd"), pytest.param(OLD, "it has dgd 0.0.9, expected 0.1.0", marks=pytest.mark.slow)],
)
def test_a_worker_with_another_dgd_is_left_out_and_lives(store: str, tmp_path: Path, source: str, reason: str) -> None:
    options: dict[str, Any] = {"max_iter": 3, "tol": 0}
    with cluster(tmp_path) as found:
        stranger(found, tmp_path / "path", source)
        with pytest.raises(ConfigurationError, match=reason), pytest.warns(RuntimeWarning, match=reason):
            dgd.fit(store, client=found.client, **options)
        found.add_worker()
        with pytest.warns(RuntimeWarning, match=rf"worker tcp://127.0.0.1:\d+ is left out: {reason}"):
            result = dgd.fit(store, client=found.client, **options)
        assert result.plan.processes == 1
        assert bits(result) == bits(dgd.fit(store, threads=1, **options))
        assert len(found.addresses()) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("source", "reason"), [(NONE, "it has no dgd"), (ALTERED, "is of another source")])
def test_a_stranger_that_joins_in_mid_pass_is_found_out_by_its_failure(
    source: str, reason: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    with dgd.DatasetWriter(tmp_path / "slow.zarr", chunk_rows=2500, compression="gzip") as writer:
        for _ in range(96):
            X = rng.integers(0, 50, size=(2500, 40)).astype(float)
            writer.append(X, X @ np.arange(40.0) + rng.normal(size=2500))
    options: dict[str, Any] = {"solver": "gd", "max_iter": 12, "tol": 0}
    with cluster(tmp_path, {"DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING_INTERVAL": "50ms"}) as found:
        found.add_worker()

        def join(record: dgd.Record) -> None:
            if record.iteration == 1:
                threading.Thread(target=stranger, args=(found, tmp_path / "path", source)).start()

        execution = dgd.Execution(client=found.client, resident=0)
        with pytest.warns(RuntimeWarning, match=reason):
            result = dgd.fit(tmp_path / "slow.zarr", callbacks=[join], execution=execution, **options)
        assert len(found.addresses()) == 2
    assert bits(result) == bits(dgd.fit(tmp_path / "slow.zarr", threads=2, **options))


def test_a_worker_that_gets_a_task_before_it_was_asked_refuses_it(
    store: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two computes with another kernel, which is asked for only when it has refused: no sum is made unsaid."""
    monkeypatch.setattr(cut, "TASK_SECONDS", 1e-9)
    own, refused = software(), []
    other = {**own, "blas": "openblas 0.3 Nehalem"}
    late = sorted(client.scheduler_info()["workers"])[0]
    monkeypatch.setattr(tasks, "software", lambda: other if get_worker().address == late else own)
    left_out_since = Workers.left_out_since

    def asked(self: Workers, count: int) -> bool:
        refused.append(count)
        self.handshake._kernels.add(kernel(other))
        return left_out_since(self, count)

    monkeypatch.setattr(Workers, "left_out_since", asked)
    options: dict[str, Any] = {"max_iter": 3, "tol": 0}
    result = dgd.fit(store, client=client, **options)
    assert len(refused) == 1
    assert not result.same_bits
    assert "openblas 0.3 Nehalem" in result.message
    assert bits(result) == bits(dgd.fit(store, threads=1, **options))


def test_a_task_is_for_one_source_and_known_kernels(client: Client) -> None:
    own = software()

    def run(*expected: str) -> Any:
        return client.submit(tasks.run_as, expected, len, "four", pure=False).result()

    assert run(own["digest"], "another", kernel(own)) == 4
    for expected in [("other", kernel(own)), (own["digest"], "another")]:
        with pytest.raises(tasks.Unasked, match=r"has dgd of source .*, expected"):
            run(*expected)


def test_a_blind_worker_is_named(store: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "places_of", lambda dataset: frozenset({"/not/mounted/X"}))
    expected = r"no worker of .* can be used: .*: it does not see /not/mounted/X; mount the dataset there"
    with pytest.raises(ConfigurationError, match=expected), pytest.warns(RuntimeWarning, match="does not see"):
        dgd.fit(store, client=client)


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_dataset_is_left_out(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has a working directory of its own."""
    with cluster(tmp_path) as found:
        found.add_worker()
        monkeypatch.chdir(Path(store).parent)
        found.add_worker()
        with pytest.warns(RuntimeWarning, match=r"is left out: it does not see /proc/self/cwd/train.zarr/"):
            result = dgd.fit("/proc/self/cwd/train.zarr", client=found.client, max_iter=3, tol=0)
        assert result.plan.processes == 1
        assert bits(result) == bits(dgd.fit(store, threads=1, max_iter=3, tol=0))


def test_what_a_dataset_is_read_from(store: str) -> None:
    found = handshake.places_of(dgd.open_dataset(store, weight="weight"))
    assert found == {f"{store}/X", f"{store}/y", f"{store}/weight"}


def test_another_blas_kernel_is_said_in_the_result_or_left_out(
    store: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    alike = dgd.fit(store, client=client, max_iter=3, tol=0)
    assert alike.same_bits
    own = {**software(), "blas": "openblas 0.3 Nehalem"}
    monkeypatch.setattr(handshake, "software", lambda: own)
    result = dgd.fit(store, client=client, max_iter=3, tol=0)
    assert not result.same_bits
    assert "openblas 0.3 Nehalem" in result.message
    required = dgd.Execution(client=client, same_bits="require")
    with pytest.raises(ConfigurationError, match="for the same bits"), pytest.warns(RuntimeWarning, match="left out"):
        dgd.fit(store, execution=required)


@pytest.mark.slow
def test_a_worker_with_another_kernel_is_left_out_where_bits_are_required(store: str, tmp_path: Path) -> None:
    with cluster(tmp_path) as found:
        found.add_worker()
        found.environment = {**found.environment, "OPENBLAS_CORETYPE": "Nehalem"}
        found.add_worker()
        result = dgd.fit(store, client=found.client, max_iter=3, tol=0)
        assert not result.same_bits
        assert "Nehalem" in result.message
        required = dgd.Execution(client=found.client, same_bits="require")
        with pytest.warns(RuntimeWarning, match="Nehalem, expected"):
            result = dgd.fit(store, execution=required, max_iter=3, tol=0)
        assert result.same_bits
        assert result.plan.processes == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({}, ""),
        ({"digest": "other"}, r"its dgd .* is of another source \(other, expected"),
        ({"numpy": "0.1"}, ""),
        ({"dgd": None, "error": "ImportError('x')"}, r"it has no dgd \(ImportError\('x'\)\); install"),
    ],
)
def test_what_makes_a_worker_unfit(client: Client, answer: dict[str, Any], reason: str) -> None:
    found = handshake.Handshake(client)._against({**software(), "unseen": [], **answer})
    assert re.match(reason, found)
    assert bool(found) == bool(reason)


def test_every_worker_is_asked_once(store: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    ask = handshake.Handshake._ask

    def counted(self: Any, who: Any) -> Any:
        asked.append(who)
        return ask(self, who)

    monkeypatch.setattr(handshake.Handshake, "_ask", counted)
    monkeypatch.setattr("dgd.passes.cluster.executor.LOOK_AGAIN_SECONDS", 0.0)
    dgd.fit(store, client=client, max_iter=5, tol=0)
    assert len(asked) == len(set(asked)) == 2


@pytest.mark.slow
def test_in_a_shell_a_worker_that_is_left_out_is_one_line(
    store: str, two_workers: Cluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    own = {**software(), "digest": "other"}
    monkeypatch.setattr(handshake, "software", lambda: own)
    model = dgd.fit(store, threads=1, max_iter=2).model
    model.save(Path(store).parent / "m.dgd", overwrite=True)
    warnings.simplefilter("always")
    address = two_workers.client.scheduler.address
    assert main(["score", str(Path(store).parent / "m.dgd"), store, "--scheduler", address]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert [line.split(" is left out")[0].startswith("warning: worker tcp://") for line in lines] == [True, True, False]
    assert lines[2].startswith("error: no worker of tcp://")
