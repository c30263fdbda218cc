"""scikit-learn's own tests with dgd's classes: the share that passes, and a reason for each that does not."""

from __future__ import annotations

import pytest
import sklearn

from tests.sklearn_suite.outcomes import FILES, INSIDE, LEAST, PEER, Outcomes, named, outcomes_of, remaining, version


def test_each_failure_has_a_reason_once() -> None:
    tests = [test for each in remaining()["failures"] for test in each["tests"]]
    assert len(tests) == len(set(tests)) == len(named())
    assert all(len(each["reason"]) > 20 for each in remaining()["failures"])
    assert {test.partition("::")[0] for test in tests} <= {*FILES, *INSIDE}
    for file, folder in {**FILES, **INSIDE}.items():
        assert (PEER / folder / file).is_file()


def test_a_named_test_is_still_there() -> None:
    if sklearn.__version__ != version():
        return  # Another version has other tests.
    texts = {file: (PEER / folder / file).read_text() for file, folder in {**FILES, **INSIDE}.items()}
    for test in named():
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in texts[file], test


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("files", "least", "share"), [(FILES, 1200, LEAST), (INSIDE, 150, 0.95)], ids=["of", "inside"])
def test_scikit_learns_tests_pass(files: dict[str, str], least: int, share: float) -> None:
    found = Outcomes.of(outcomes_of(file) for file in files)
    assert len(found.passed) + len(found.failed) > least
    assert found.share >= share
    if sklearn.__version__ == version():
        assert found.failed - set(named()) == set()
