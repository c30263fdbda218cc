"""`dgd guide`."""

from __future__ import annotations

import click

from dgd.cli.output import print_json

TOPICS = (
    "first-fit", "which-solver", "not-converging", "many", "stores", "formats", "tables", "predictions", "memory",
    "bits", "cluster", "settings", "jobs", "reports", "pipelines", "inference", "coming-from", "speed",
    "how-it-is-built",
)  # fmt: skip
"""In the order in which one reads them."""


@click.command
@click.argument("topic", required=False, type=click.Choice(TOPICS))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def guide(topic: str | None, as_json: bool) -> int:
    """Show a page of the guide; without a TOPIC, what pages there are."""
    if as_json:
        print_json({name: page(name) for name in ([topic] if topic else TOPICS)})
    elif topic is None:
        width = max(len(name) for name in TOPICS) + 2
        click.echo("\n".join(f"dgd guide {name:<{width}}{title(page(name))}" for name in TOPICS))
    else:
        click.echo_via_pager(page(topic))
    return 0


def page(topic: str) -> str:
    """The text of a page, Markdown."""
    from importlib.resources import files

    return (files("dgd") / "guide" / f"{topic}.md").read_text(encoding="utf-8")


def title(text: str) -> str:
    """The first heading."""
    return text.splitlines()[0].removeprefix("# ")
