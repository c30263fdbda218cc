"""The folders of deploy/, one for each way of running a cluster."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from dgd.data.reading import is_url
from dgd.errors import ConfigurationError

DATA = "/data/train.zarr"
"""In the files as they are."""
ORDER = ("local", "ssh", "slurm", "pbs", "kubernetes", "docker", "systemd", "tls", "monitoring")
"""As one reads them; the documentation's sources are none."""
NOT_COPIED = ("smoke", "smoke.py", "fill.toml", "__pycache__")
"""What tests a folder, and what says how it is filled in."""
NEXT = re.compile(r"^## Next\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Kind:
    """A folder of deploy/. Its README begins with `# Title`, an empty line, and one line that says what it is."""

    name: str
    folder: Path

    @property
    def readme(self) -> str:
        return (self.folder / "README.md").read_text(encoding="utf-8")

    @property
    def what(self) -> str:
        """The line below the title."""
        return self.readme.splitlines()[2]

    @property
    def files(self) -> list[str]:
        """What is copied, by its path in the folder."""
        paths = (path.relative_to(self.folder) for path in sorted(self.folder.rglob("*")) if path.is_file())
        return [path.as_posix() for path in paths if not {*path.parts} & {*NOT_COPIED}]

    def next_steps(self, folder: str, filled: Mapping[str, str]) -> str:
        """The commands under "Next" in the README, DIR, DATA and WORKERS being what they are."""
        found = NEXT.search(self.readme)
        assert found is not None
        data = filled.get("data", DATA)
        known = {
            "DIR": shlex.quote(folder.rstrip("/") or "/"),
            "DATA": shlex.quote(data),
            "WORKERS": filled.get("workers", "WORKERS"),
        }
        steps = found[1].rstrip()
        if is_url(data) and self.name == "kubernetes":
            steps = re.sub(r"(?m)^kubectl .* get pvc .*\n", "", steps.replace("DIR/plain", "DIR/overlays/s3"))
        return re.sub(r"\b(?:DIR|DATA|WORKERS)\b", lambda word: known[word[0]], steps)


def deploy_folder() -> Path:
    """Where the files are: in the package, as installed, or beside it, in a checkout."""
    package = Path(__file__).parent.parent.parent
    installed = package / "deploy_files"
    return installed if installed.is_dir() else package.parent / "deploy"


def kinds() -> list[Kind]:
    """All of them."""
    folder = deploy_folder()
    return [Kind(name, folder / name) for name in ORDER if (folder / name / "README.md").is_file()]


def kind_named(name: str) -> Kind:
    """The one of that name."""
    found = {kind.name: kind for kind in kinds()}
    if name in found:
        return found[name]
    near = get_close_matches(name, found, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(found)}"
    raise ConfigurationError(f"there are no files for {name!r}; {hint}")
