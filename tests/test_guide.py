"""The guide: every page is shown, its code runs, and what it names is there."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from dgd.cli import main
from dgd.cli.guide import TOPICS, page, title

ROOT = Path(__file__).parent.parent
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_page_has_its_topic_and_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    assert {path.stem for path in (ROOT / "dgd" / "guide").glob("*.md")} == set(TOPICS)
    site = (ROOT / "deploy" / "docs" / "index.md").read_text()
    assert re.findall(r"^guide/(.+)$", site, re.MULTILINE) == list(TOPICS)
    assert main(["guide"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in listed] == list(TOPICS)
    assert all(title(page(topic)) in line for topic, line in zip(TOPICS, listed, strict=True))


def test_a_page_is_shown_and_an_unknown_topic_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guide", "bits"]) == 0
    assert capsys.readouterr().out.strip() == page("bits").strip()
    assert main(["guide", "nonsense"]) == 2
    assert "first-fit" in capsys.readouterr().err


@pytest.mark.each(6)
@pytest.mark.parametrize("topic", [topic for topic in TOPICS if CODE.search(page(topic))])
def test_the_code_of_a_page_runs(
    topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """All blocks of a page, one after the other, as a program: in a process of its own if it starts others."""
    program = tmp_path / "page.py"
    program.write_text("\n".join(CODE.findall(page(topic))))
    if "LocalCluster" in program.read_text():
        ran = subprocess.run([sys.executable, "-W", "error", program], cwd=tmp_path, capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (0, "")
        return
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    runpy.run_path(str(program), run_name="__main__")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("topic", TOPICS)
def test_files_that_a_page_names_are_there(topic: str) -> None:
    text = page(topic)
    for name in re.findall(r"`([a-z_/0-9]+\.py)`", text):
        assert (ROOT / name).is_file() or (ROOT / "dgd" / name).is_file(), name
    for name in re.findall(r"`dgd guide ([a-z-]+)`", text):
        assert name in TOPICS
