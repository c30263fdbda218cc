"""What deploy/ holds, as it lies there and as `dgd deploy init` fills it in; `python -m tests.deploy` runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from dgd.cli import main
from dgd.cli.deploy.copying import NAME, fillings
from dgd.cli.deploy.kinds import ORDER, Kind, deploy_folder, kinds
from dgd.cli.deploy.values import Wishes, values

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
NAMES = [kind.name for kind in kinds()]
SCRIPTS = [
    path
    for path in sorted(DEPLOY.rglob("*"))
    if path.is_file() and path.suffix != ".py" and path.read_bytes().startswith(b"#!/usr/bin/env bash")
]


def test_the_folders_are_those_that_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy_folder() == DEPLOY
    assert set(NAMES) == {path.name for path in DEPLOY.iterdir() if path.is_dir()} - {"docs"}
    assert [name for name in ORDER if name in NAMES] == NAMES
    assert main(["deploy", "list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed[: len(NAMES)]] == NAMES


def test_they_are_in_the_wheel() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["force-include"] == {
        f"deploy/{name}": f"dgd/deploy_files/{name}" for name in [*NAMES, "smoke.bash", "README.md"]
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_complete(name: str) -> None:
    kind = Kind(name, DEPLOY / name)
    lines = kind.readme.splitlines()
    assert (lines[0][:2], lines[1], lines[2][-1]) == ("# ", "", ".")
    assert len(lines) <= 60  # a screen
    assert kind.next_steps("run", {}).strip()
    smoke = DEPLOY / name / "smoke"
    assert os.access(smoke, os.X_OK)
    assert f"]({name}/README.md)" in (DEPLOY / "README.md").read_text()
    for file in re.findall(r"^\| `([\w./@-]+)` \|", kind.readme, re.MULTILINE):
        assert (DEPLOY / name / file).exists(), file


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_a_script_can_be_read_by_bash_and_run(path: Path) -> None:
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", path], check=True)


def test_shellcheck_has_nothing_to_say_where_it_is_found() -> None:
    if (shellcheck := shutil.which("shellcheck")) is not None:
        command = [shellcheck, "-S", "warning", "-x", "-P", "SCRIPTDIR", *map(str, SCRIPTS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout == ""


@pytest.mark.parametrize("name", NAMES)
def test_each_pattern_of_what_is_filled_in_is_found(name: str) -> None:
    kind = Kind(name, DEPLOY / name)
    known = values(Wishes("x.zarr", 1, 1, 2**30, None, ())).by_name
    for file, patterns in fillings(kind).items():
        assert file in kind.files
        text = (kind.folder / file).read_text()
        for pattern, template in patterns.items():
            assert re.search(pattern, text, re.MULTILINE), (file, pattern)
            assert {*NAME.findall(template)} <= known.keys()


@pytest.mark.parametrize("name", NAMES)
def test_init_copies_what_the_readme_names(name: str, store: str, tmp_path: Path) -> None:
    folder = tmp_path / "run here"
    store = "/data/train.zarr" if name == "kubernetes" else store  # as its pods see it
    wishes = ["--data", store, "--workers", "7", "--threads", "3", "--memory", "5GiB"]
    assert main(["deploy", "init", name, str(folder), *wishes, "--", "--loss", "huber", "--max-iter", "9"]) == 0
    kind = Kind(name, DEPLOY / name)
    written = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert sorted(written) == sorted(kind.files)
    assert not {"smoke", "fill.toml"} & {*written}
    for file, path in written.items():
        assert path.stat().st_mode == (kind.folder / file).stat().st_mode
        filled = {*NAME.findall(" ".join(fillings(kind).get(file, {}).values()))}
        text = path.read_text()
        assert "data" not in filled or store in text
        assert "fit_options" not in filled or "--loss huber --max-iter 9" in text
        assert "memory" not in filled or "5120MiB" in text
        assert "container" not in filled or "5376m" in text.lower()
        if text.startswith("#!/usr/bin/env bash"):
            subprocess.run(["bash", "-n", path], check=True)


def test_next_steps_are_filled_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = "/data/it is.zarr"
    for name in NAMES:
        wishes = ["--data", data, "--workers", "7", "--memory", "5GiB"]
        assert main(["deploy", "init", name, str(tmp_path / "run here" / name), *wishes]) == 0
        steps = capsys.readouterr().out.partition("\n\n")[2]
        assert not re.search(r"\b(DIR|DATA|WORKERS)\b", steps), name
        if name != "monitoring":
            assert f"dgd doctor '{data}'" in steps, name
        if name in ("slurm", "pbs", "kubernetes", "docker"):
            assert "--workers 7" in steps, name


def test_without_data_it_says_where_their_path_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "init", "kubernetes", str(tmp_path / "a")]) == 0
    said = capsys.readouterr()
    files = "plain/settings.properties and operator/daskjob.yaml"
    assert said.err == f"no --data: /data/train.zarr is in {files}, and has to be changed there\n"
    assert "dgd doctor /data/train.zarr" in said.out
    assert main(["deploy", "init", "monitoring", str(tmp_path / "b")]) == 0
    assert capsys.readouterr().err == ""


def test_data_in_an_object_store_are_for_its_overlay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wishes = ["--data", "s3://bucket/train.zarr", "--memory", "4GiB"]
    assert main(["deploy", "init", "kubernetes", str(tmp_path / "a"), *wishes]) == 0
    steps = capsys.readouterr().out
    assert f"kubectl apply -k {tmp_path}/a/overlays/s3 " in steps
    assert "a/plain " not in steps
    assert "get pvc" not in steps
    wishes[1] = "s3://bucket/plain/train.zarr"
    assert main(["deploy", "init", "kubernetes", str(tmp_path / "plain-1"), *wishes]) == 0
    steps = capsys.readouterr().out
    assert f"kubectl apply -k {tmp_path}/plain-1/overlays/s3 " in steps
    assert "dgd doctor s3://bucket/plain/train.zarr " in steps


def test_memory_is_that_of_the_plan(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "init", "slurm", str(tmp_path / "a"), "--data", store, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["values"]["memory"] == "1024MiB"
    assert said.err.startswith("1,003 rows × 5 features: a worker of 2 threads needs ")
    assert "#SBATCH --mem-per-cpu=1024M\n" in (tmp_path / "a" / "job.sbatch").read_text()


def test_slurm_reads_the_directives_of_both_scripts() -> None:
    for name in ("job.sbatch", "jobqueue.py"):
        head = [line for line in (DEPLOY / "slurm" / name).read_text().splitlines()[:12] if line.startswith("#SBATCH ")]
        assert {"#SBATCH --requeue", "#SBATCH --signal=B:USR1@180"} <= {*head}, name


def test_values_with_blanks_and_marks_stay_what_they_are(tmp_path: Path) -> None:
    odd = tmp_path / "it's a $HOME.zarr"
    options = ["--feature", "a 'b'", "--feature", "$x"]
    assert main(["deploy", "init", "slurm", str(tmp_path / "a"), "--data", str(odd), "--", *options]) == 0
    script = (tmp_path / "a" / "job.sbatch").read_text()
    lines = "\n".join(line for line in script.splitlines() if line.startswith(("DATA=", "FIT_OPTIONS=")))
    shown = 'printf "%s\\n" "$DATA" "${FIT_OPTIONS[@]}"'
    told = subprocess.run(["bash", "-c", f"{lines}\n{shown}"], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [str(odd), *options]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["slum", "new"], "there are no files for 'slum'; did you mean slurm?"),
        (["qsub", "new"], "there are no files for 'qsub'; there are local, "),
        (["slurm", "."], "exists; give the name of a new folder"),
        (
            ["kubernetes", "new", "--data", "train.zarr"],
            "below /data, got train.zarr; give the path there, `--data /data/tr",
        ),
        (["slurm", "new", "--", "--los", "huber"], "No such option '--los'"),
        (["slurm", "new", "--", "--threads", "2"], "--threads is given by the files themselves; leave it out after --"),
        (["slurm", "new", "--data", "{store}", "--", "--features", "nothing"], "'nothing'"),
    ],
)
def test_what_cannot_be(
    arguments: list[str],
    message: str,
    store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["deploy", "init", *(each.format(store=store) for each in arguments)]) in (2, 3)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_smoke_script_in_the_background_can_be_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.deploy import __main__ as smoke_scripts

    script = tmp_path / "it" / "smoke"
    script.parent.mkdir()
    script.write_text("#!/usr/bin/env bash\ntrap 'exit 0' INT\nkill -INT $$\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(smoke_scripts, "DEPLOY", tmp_path)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert smoke_scripts.run("it", install=False).verdict == "OK"
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("name", sorted(path.parent.name for path in DEPLOY.glob("*/smoke")))
def test_the_smoke_script(name: str) -> None:
    from tests.deploy.__main__ import run

    assert run(name, install=False).verdict != "FAILED"
