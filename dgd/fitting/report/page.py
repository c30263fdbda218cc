"""The page around the sections of a report: style within it, no script, nothing from the network."""

from __future__ import annotations

from collections.abc import Sequence

from dgd._version import __version__
from dgd.errors.markup import escaped

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What a browser may load for the page: nothing; its own style is in it."""
STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1c1c1c; background: #fff; max-width: 1080px; margin: 0 auto;
  padding: 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; }
p { max-width: 46rem; margin: .4rem 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: .6rem 1.4rem; }
figure { margin: .5rem 0; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; max-width: 540px; font: 14px system-ui, sans-serif; fill: #333; }
.grid { stroke: #ddd; } .interval { stroke: #1f5fa8; stroke-width: 2; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { border-bottom: 1px solid #ddd; padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top;
  overflow-wrap: break-word; }
.n { text-align: right; }
td:nth-child(2):last-child { overflow-wrap: anywhere; }
.warn { border-left: 4px solid #c2571a; padding-left: .7rem; }
@media (max-width: 520px) { svg { font-size: 18px; } }
footer { margin-top: 2rem; color: #666; font-size: .85rem; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; } .charts { grid-template-columns: 1fr 1fr; } }
"""


def page(title: str, subtitle: str, sections: Sequence[tuple[str, str]], made: str, *, refresh: int = 0) -> str:
    """The document. sections: a heading and HTML of each; made: when it was made; refresh: seconds until the next."""
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    parts = [f"<section><h2>{escaped(heading)}</h2>{content}</section>" for heading, content in sections]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escaped(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">{again}'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>\n'
        f"<h1>{escaped(title)}</h1><p>{escaped(subtitle)}</p>\n"
        + "\n".join(parts)
        + f"\n<footer>dgd {escaped(__version__)}, {escaped(made)}</footer></body></html>\n"
    )
