"""The peers' table: its objective against dgd's own, what is timed, and the reasons in its rows; at tiny sizes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import _peer_problems, _programs, headline, peers
from benchmarks.peer_programs.objective import WANTED, Objective

import dgd
from dgd.losses import Softmax
from dgd.penalties import L2

ROWS = 1500


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = tmp_path_factory.mktemp("peers")
    small = {
        "squared": _peer_problems.Problem("squared", columns=4),
        "logistic": _peer_problems.Problem("logistic", columns=4),
        "softmax": _peer_problems.Problem("softmax", columns=4, outputs=3, l2=1e-2),
        "poisson": _peer_problems.Problem("poisson", columns=4),
    }
    for name, problem in small.items():
        _peer_problems.write(made / name, problem, ROWS)
    return {name: made / name for name in small}


@pytest.mark.parametrize("name", list(_peer_problems.PROBLEMS))
class TestObjective:
    def test_its_value_is_that_of_dgd(self, places: dict[str, Path], name: str) -> None:
        objective = Objective(places[name])
        loss = Softmax(3) if name == "softmax" else name
        penalty = L2(objective.l2) if objective.l2 else None
        point = np.random.default_rng(0).normal(size=objective.optimum.shape)
        theta = np.vstack([point[:, -1], point[:, :-1].T])
        X, y = np.load(places[name] / "X.npy"), np.load(places[name] / "y.npy")
        seen: list[float] = []
        dgd.fit(
            X, y, loss=loss, penalty=penalty, theta0=theta if name == "softmax" else theta[:, 0], solver="gd",
            max_iter=1, callbacks=[lambda record: seen.append(record.loss)], standardize=False,
        )  # fmt: skip
        assert objective.values([point, point])[1] == pytest.approx(seen[0], rel=1e-9)

    def test_no_point_nearby_is_below_its_least(self, places: dict[str, Path], name: str) -> None:
        objective = Objective(places[name])
        rng = np.random.default_rng(1)
        away = [1e-3 * rng.normal(size=objective.optimum.shape) for _ in range(6)]
        gaps = objective.gaps([objective.optimum, *(objective.optimum + step for step in away)])
        assert abs(gaps[0]) < 1e-12
        assert min(gaps[1:]) > 0
        bounds = [0.5 * objective.curvature * (objective.centred(step) ** 2).sum() for step in away]
        room = objective.first - objective.least
        assert all(gap * room <= 1.1 * bound + 1e-15 for gap, bound in zip(gaps[1:], bounds, strict=True))

    def test_what_is_near_is_within_what_is_wanted(self, places: dict[str, Path], name: str) -> None:
        objective = Objective(places[name])
        steps = [objective.optimum + size for size in np.geomspace(1e-6, 1, 13)]
        near = [objective.is_near(step) for step in steps]
        assert near[0]
        assert not near[-1]
        assert all(gap <= WANTED for gap, is_near in zip(objective.gaps(steps), near, strict=True) if is_near)


class TestCourse:
    SCRIPT = """
import json, sys, time
import numpy as np
from course import Course, Enough, by_limits, SETTINGS
course = Course()
best = course.objective.optimum
def away(size):
    return best[:, :-1], best[:, -1] + size
def fit(limit):
    return away(SETTINGS["sizes"][min(limit, len(SETTINGS["sizes"])) - 1])
if SETTINGS["limits"]:
    print("\\n" + json.dumps(by_limits(course, fit)))
else:
    try:
        for size in SETTINGS["sizes"]:
            course.began -= 1
            course.add(*away(size))
    except Enough:
        pass
    print(json.dumps(course.answer()))
"""

    def course(self, folder: Path, sizes: list[float], **settings: Any) -> dict[str, Any]:
        asked = {"folder": str(folder), "seconds": 100, "limits": False, "sizes": sizes, **settings}
        command = [sys.executable, "-c", self.SCRIPT, json.dumps(asked)]
        done = subprocess.run(command, cwd=peers.PROGRAMS, capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def test_the_time_is_that_of_the_first_point_that_is_near_enough(self, places: dict[str, Path]) -> None:
        found = self.course(places["squared"], [1, 0.5, 0.1, 1.2e-3, 1e-9, 0.1])
        assert found["points"] == 4
        assert found["seconds"] == pytest.approx(4, abs=0.5)
        assert found["gap"] <= WANTED

    def test_a_run_whose_time_is_over_says_how_far_it_came(self, places: dict[str, Path]) -> None:
        found = self.course(places["squared"], [1, 0.5, 0.4, 0.3], seconds=2.5)
        assert found["seconds"] is None
        assert found["points"] == 3
        assert found["gap"] == pytest.approx(0.4**2 / found_room(places["squared"]), rel=1e-6)

    @pytest.mark.parametrize("enough", [1, 6])
    def test_bisection_finds_the_lowest_limit(self, places: dict[str, Path], enough: int) -> None:
        sizes = [0.1 / k if k < enough else 1e-5 for k in range(1, 12)]
        found = self.course(places["squared"], sizes, limits=True)
        assert (found["points"], found["gap"] <= WANTED) == (enough, True)
        assert found["note"] == "by bisection over its limit"

    def test_a_peer_that_stops_by_itself_is_not_asked_for_ever(self, places: dict[str, Path]) -> None:
        found = self.course(places["squared"], [0.5, 0.4], limits=True)
        assert found["seconds"] is None
        assert found["points"] == 32


def found_room(place: Path) -> float:
    objective = Objective(place)
    return objective.first - objective.least


class TestRows:
    @pytest.mark.slow
    def test_dgd_is_measured_and_its_memory(self, places: dict[str, Path]) -> None:
        run = next(run for run in peers.RUNS if (run.peer, run.problem) == ("dgd", "logistic"))
        found = peers.answer(
            run, places["logistic"], Path(sys.executable), seconds=5, until=time.monotonic() + 60, warm=False
        )
        assert 0 < found["seconds"] <= found["spent"]
        assert found["gap"] <= WANTED
        assert found["runs"] == 3
        assert 20 * 2**20 < found["peak"] < 2**30

    def test_when_the_time_for_all_is_over_the_rest_says_so(self, places: dict[str, Path]) -> None:
        run = peers.RUNS[0]
        found = peers.answer(run, places["squared"], Path("none"), seconds=5, until=time.monotonic(), warm=True)
        assert found == {"note": "not run: the time for all is over"}

    @pytest.mark.slow
    def test_a_program_that_is_ended_leaves_what_it_had_found(self, tmp_path: Path) -> None:
        program = tmp_path / "slow.py"
        program.write_text('import time\nprint(\'{"gap": 0.5, "note": "so far"}\', flush=True)\ntime.sleep(60)\n')
        found = _programs.ran(program, {}, Path(sys.executable), cwd=tmp_path, limit=2)
        assert (found["gap"], found["note"]) == (0.5, "so far; not done after 2 s")

    def test_of_several_runs_the_median_and_the_highest_memory(self) -> None:
        one = {"gap": 0.0, "points": 3, "reading": None, "note": ""}
        found = [{**one, "seconds": s, "spent": s, "peak": p} for s, p in ((3.0, 1), (1.0, 9), (2.0, 4))]
        assert peers.median_of(found) == {**one, "seconds": 2.0, "spent": 2.0, "peak": 9, "runs": 3}
        assert peers.median_of([*found, {**one, "seconds": None, "spent": 5.0, "peak": 1}])["seconds"] is None

    def test_dgd_is_first_only_if_no_line_from_disk_is_quicker(self) -> None:
        runs = [run for run in peers.RUNS if run.problem == "softmax"][:5]
        assert [run.peer for run in runs] == ["dgd"] * 3 + ["scikit-learn"] * 2
        made = {"gap": 1e-7, "points": 2, "reading": None, "spent": 1.0, "peak": 2**20, "runs": 1, "note": ""}
        seconds = [2.0, 1.5, 0.1, 1.6, 9.0]
        rows = peers.lines(runs, [{**made, "seconds": s} for s in seconds])
        assert [row["first"] for row in rows] == [True, None, None, None, None]
        assert rows[3]["× dgd"] == pytest.approx(0.8)
        seconds[3] = 1.4
        rows = peers.lines(runs, [{**made, "seconds": s} for s in seconds])
        assert rows[0]["first"] is False

    def test_what_was_reached_and_what_is_below_the_least_is_said(self) -> None:
        runs = [run for run in peers.RUNS if run.problem == "softmax"][:2]
        late = {"gap": 3e-4, "seconds": None, "points": 9, "reading": 0.1, "spent": 20.0, "peak": 1, "note": "float32"}
        rows = peers.lines(runs, [{**late}, {**late, "gap": -1e-3, "seconds": 1.0}])
        assert [row["note"] for row in rows] == ["3e-04 after 20 s; float32", "BELOW F*; float32"]
        assert peers.lines(runs[:1], [{"note": "failed: no"}])[0]["note"] == "failed: no"

    def test_every_program_is_there_and_every_peer_can_be_asked_for(self) -> None:
        assert {run.program for run in peers.RUNS} == {path.name for path in peers.PROGRAMS.glob("with_*.py")}
        assert set(_programs.REQUIREMENTS) == set(peers.PEERS) - {"dgd", "scikit-learn"}
        assert {run.problem for run in peers.RUNS} == set(_peer_problems.PROBLEMS)


class TestHeadline:
    def test_its_row_is_filled_and_the_data_are_deleted(self, tmp_path: Path) -> None:
        (row,) = headline.measure(rows=60_000, folder=tmp_path)
        assert 0 < row["passes to 1e-6"] <= row["passes"]
        assert row["seconds"] > 0
        assert row["disk GB/s"] > 0
        assert not list(tmp_path.iterdir())

    def test_a_point_counts_from_the_pass_that_led_to_it(self) -> None:
        least = 0.5
        losses = [least + gap * (np.log(2) - least) for gap in (0.9, 1e-3, 1e-7, 0.0)]
        found = {
            "losses": losses, "bytes": [100, 100, 100, 100], "ends": [1.0, 2.0, 3.5, 5.0], "least": least,
            "first_bytes": 5, "choice": "solver newton: because",
        }  # fmt: skip
        row = headline.row_of(10, 100, found, [1.0, 3.0], resident=False)
        assert row["passes to 1e-6"] == pytest.approx(2.05)
        assert row["seconds"] == 2.0
        assert row["× disk"] == pytest.approx(2.0 / (205 / 50))
        assert row["met"] is True
        assert headline.row_of(10, 90, found, [1.0, 3.0], resident=False)["met"] is False
