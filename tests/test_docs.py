"""The site builds without a warning, and the reference names everything public."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import dgd
from dgd import estimators, losses, penalties

ROOT = Path(__file__).parent.parent
REFERENCE = "".join(path.read_text() for path in (ROOT / "deploy" / "docs" / "reference").glob("*.md"))


@pytest.mark.slow
def test_the_site_builds_as_the_readme_says(tmp_path: Path) -> None:
    found = re.search(r"^python (-m sphinx .*) site$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert found is not None
    command = [sys.executable, *shlex.split(found[1]), "-q", str(tmp_path / "site"), "-d", str(tmp_path / "trees")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (built.returncode, built.stderr) == (0, "")
    page = (tmp_path / "site" / "reference" / "functions.html").read_text()
    assert "Fit a linear model; every step is one exact pass over all the data." in page
    assert (tmp_path / "site" / "guide" / "bits.html").is_file()
    for path in (tmp_path / "site" / "reference").glob("*.html"):
        assert "``" not in path.read_text(), f"{path}: code that was not seen as such"


def test_the_reference_names_everything_public() -> None:
    modules = {
        "callbacks",
        "errors",
        "estimators",
        "losses",
        "penalties",
        "plots",
        "solvers",
        "terms",
        "testing",
        "__version__",
    }
    for name in set(dgd.__all__) - modules:
        assert f"dgd.{name}\n" in REFERENCE, name
    for name in dgd.terms.__all__:
        assert f"dgd.terms.{name}\n" in REFERENCE, name
    for name in dgd.plots.__all__:
        assert f"dgd.plots.{name}\n" in REFERENCE, name
    for name in dgd.callbacks.__all__:
        assert f"dgd.callbacks.{name}\n" in REFERENCE, name
    for module in (losses, penalties, estimators):
        for name in set(module.__all__) - {"LOSSES", "PENALTIES", "NoPenalty"}:
            assert f"{module.__name__}.{name}\n" in REFERENCE, name
