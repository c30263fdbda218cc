"""The site: the guide, and the reference of every public name, from the docstrings."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

from dgd._version import __version__

HERE = Path(__file__).parent
GUIDE = HERE / "guide"
shutil.rmtree(GUIDE, ignore_errors=True)
shutil.copytree(HERE.parent.parent / "dgd" / "guide", GUIDE)

project = "dgd"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "README.md"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
maximum_signature_line_length = 88
html_show_copyright = False
html_theme = "furo"
html_title = f"dgd {__version__}"
html_static_path = ["static"]
html_css_files = ["wide.css"]


SPECIAL = re.compile(r"([*|_`\\])")
ENTRY = re.compile(r"([A-Za-z_0-9]+(?:, [A-Za-z_0-9]+)*): ")


def as_rst(lines: list[str]) -> list[str]:
    """A docstring as reStructuredText: paragraphs, arguments as a list, what is indented as it stands."""
    found: list[str] = []
    for block in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        rows = block.split("\n")
        if all(row.startswith("    ") for row in rows):
            found += [".. code-block:: text", "", *("   " + row[4:] for row in rows), ""]
            continue
        items: list[str] = []
        for row in rows:
            if not items or (not row.startswith(" ") and ENTRY.match(row)):
                items.append(row)
            else:
                items[-1] += " " + row.strip()
        for item in items:
            entry = ENTRY.match(item)
            found.append(f"- **{entry[1]}**: {escaped(item[entry.end() :])}" if entry else escaped(item))
            found += [] if entry else [""]
        found.append("")
    return found


def escaped(text: str) -> str:
    """Plain text, with `code` as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return SPECIAL.sub(r"\\\1", text)
    shown = ""
    for number, part in enumerate(parts):
        if number % 2:
            # It must stand behind a space as well, as in ±`smoothing`.
            shown += ("\\ " if shown and not shown[-1].isspace() else "") + f"``{part}``"
        else:
            # Code must be followed by a space, or by one that is not shown.
            shown += ("\\ " if number and part[:1].isalnum() else "") + SPECIAL.sub(r"\\\1", part)
    return shown


def setup(app: Sphinx) -> None:
    """Register the above."""
    app.connect("autodoc-process-docstring", lambda app, what, name, thing, options, lines: replace(lines))


def replace(lines: list[str]) -> None:
    """The lines of a docstring, in place."""
    lines[:] = as_rst(lines)
