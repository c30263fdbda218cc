"""Charts as SVG: lines, intervals and a map of cells. Texts are escaped; sizes are bounded whatever is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dgd._typing import Vector
from dgd.errors.columns_text import shortened
from dgd.errors.markup import escaped

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 260, 88, 14, 12, 42
ROW = 18
MOST_POINTS = 1000
MOST_DOTS = 40
COLOURS = ("#1f5fa8", "#c2571a", "#2c7a4b", "#7a3f98", "#8a6d00", "#5a5a5a")


@dataclass(frozen=True)
class Line:
    """A curve of a chart. dots: each point is marked, where they are few; guide: a thin grey one, to compare with."""

    name: str
    x: Vector
    y: Vector
    dots: bool = False
    guide: bool = False


@dataclass(frozen=True)
class Axis:
    """A scale from values to places; logarithmic where all are positive and that is asked for."""

    low: float
    high: float
    logarithmic: bool
    whole: bool = False
    """Whether only whole numbers are on it."""

    @classmethod
    def of(cls, values: Vector, *, logarithmic: bool = False, whole: bool = False) -> Axis:
        """One that all finite values are on."""
        values = np.asarray(values, dtype=np.float64)
        values = values[np.isfinite(values)]
        if logarithmic:
            values = np.log10(values[values > 0])
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        if high - low <= 1e-12 * max(abs(low), abs(high)):
            margin = 0.5 if logarithmic else max(abs(low) * 0.05, 1e-300) if low else 1.0
            low, high = low - margin, high + margin
        space = 0.03 * (high - low)
        return cls(low - space, high + space, logarithmic, whole)

    def places(self, values: Vector) -> Vector:
        """From 0 to 1; NaN for what has no place."""
        values = np.asarray(values, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log10(values) if self.logarithmic else values
            places = (values - self.low) / (self.high - self.low)
        return np.where(np.isfinite(places), places, np.nan)

    def ticks(self) -> list[float]:
        """Up to seven round values."""
        if self.logarithmic:
            first, last = math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9)
            every = max(1, -(-(last - first + 1) // 7))
            found = [10.0**power for power in range(first, last + 1, every)]
            return found if len(found) > 1 else [10.0**self.low, 10.0**self.high]
        span = self.high - self.low
        step = 10.0 ** math.floor(math.log10(span / 4))
        step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 6)
        step = max(step, 1.0) if self.whole else step
        return [k * step for k in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]


def line_chart(
    title: str, lines: Sequence[Line], x_label: str, y_label: str, *, log_y: bool = False, log_x: bool = False
) -> str:
    """Curves over one another, with a legend where there are several."""
    x_axis = Axis.of(np.concatenate([line.x for line in lines]), logarithmic=log_x, whole=x_label == "pass")
    y_axis = Axis.of(np.concatenate([line.y for line in lines]), logarithmic=log_y)
    parts = [_axes(x_axis, y_axis, x_label, y_label)]
    named = [line for line in lines if not line.guide]
    for number, line in enumerate(lines):
        colour = "#999" if line.guide else COLOURS[named.index(line) % len(COLOURS)]
        parts.append(_curve(line, x_axis, y_axis, colour))
        if len(named) > 1 and not line.guide:
            place = TOP + 14 + 18 * number
            parts.append(
                f'<text x="{WIDTH - RIGHT - 6}" y="{place}" text-anchor="end" fill="{colour}">'
                f"{escaped(line.name)}</text>"
            )
    return _svg(title, HEIGHT, parts)


def interval_chart(title: str, names: Sequence[str], values: Vector, lower: Vector | None, upper: Vector | None) -> str:
    """A dot for each name, with the interval around it, from top to bottom; a line at 0."""
    ends = [values, np.zeros(1)] + ([] if lower is None or upper is None else [lower, upper])
    axis = Axis.of(np.concatenate(ends))
    left = 210
    height = TOP + BOTTOM + ROW * len(names)
    x = left + (WIDTH - left - RIGHT) * axis.places(np.asarray(values))
    zero = left + (WIDTH - left - RIGHT) * float(axis.places(np.zeros(1))[0])
    parts = [f'<line class="grid" x1="{zero:.1f}" x2="{zero:.1f}" y1="{TOP}" y2="{height - BOTTOM + 4}"/>']
    for tick, written in _written(axis.ticks()):
        place = left + (WIDTH - left - RIGHT) * float(axis.places(np.array([tick]))[0])
        parts.append(f'<text x="{place:.1f}" y="{height - BOTTOM + 18}" text-anchor="middle">{written}</text>')
    for row, name in enumerate(names):
        y = TOP + ROW * row + ROW / 2
        short = shortened(name, 20)
        parts.append(
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{escaped(short)}'
            f"<title>{escaped(name)}</title></text>"
        )
        if lower is not None and upper is not None and np.isfinite([lower[row], upper[row]]).all():
            a, b = left + (WIDTH - left - RIGHT) * axis.places(np.array([lower[row], upper[row]]))
            parts.append(f'<line class="interval" x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if np.isfinite(x[row]):
            parts.append(f'<circle cx="{x[row]:.1f}" cy="{y:.1f}" r="3.5" fill="{COLOURS[0]}"/>')
    return _svg(title, height, parts)


def cell_map(title: str, values: Vector, labels: Sequence[str]) -> str:
    """A cell for each value in reading order, darker for larger ones, with its label as a tooltip."""
    columns = min(40, max(1, len(values)))
    side = (WIDTH - 2 * RIGHT) / 40
    axis = Axis.of(values)
    shades = axis.places(values)
    parts = []
    for number, (shade, label) in enumerate(zip(shades, labels, strict=True)):
        x, y = RIGHT + side * (number % columns), TOP + side * (number // columns)
        fill = "#ddd" if math.isnan(shade) else _shade(float(shade))
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{side - 1:.1f}" height="{side - 1:.1f}" fill="{fill}">'
            f"<title>{escaped(label)}</title></rect>"
        )
    rows = -(-len(values) // columns)
    parts.append(
        f'<text x="{RIGHT}" y="{TOP + side * rows + 16:.0f}">light: {_number(float(np.nanmin(values)))}, '
        f"dark: {_number(float(np.nanmax(values)))}</text>"
        if np.isfinite(values).any()
        else ""
    )
    return _svg(title, round(TOP + side * rows + 26), parts)


def bar(title: str, shares: Sequence[tuple[str, float]]) -> str:
    """One bar that is divided, with its parts named below."""
    total = sum(share for _, share in shares) or 1.0
    parts, x = [], float(RIGHT)
    for number, (name, share) in enumerate(shares):
        width = (WIDTH - 2 * RIGHT) * share / total
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<rect x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="24" fill="{colour}"/>')
        parts.append(
            f'<text x="{RIGHT}" y="{TOP + 44 + 18 * number}" fill="{colour}">'
            f"{escaped(name)}: {share / total:.0%}</text>"
        )
        x += width
    return _svg(title, TOP + 40 + 18 * len(shares), parts)


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<figure><figcaption>{escaped(title)}</figcaption><svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escaped(title)}">{"".join(parts)}</svg></figure>'
    )


def _axes(x_axis: Axis, y_axis: Axis, x_label: str, y_label: str) -> str:
    parts = []
    for tick, written in _written(y_axis.ticks()):
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - float(y_axis.places(np.array([tick]))[0]))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{written}</text>')
    for tick, written in _written(x_axis.ticks()):
        x = LEFT + (WIDTH - LEFT - RIGHT) * float(x_axis.places(np.array([tick]))[0])
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{written}</text>')
    middle = TOP + (HEIGHT - TOP - BOTTOM) / 2
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escaped(x_label)}</text>')
    parts.append(
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{escaped(y_label)}</text>'
    )
    return "".join(parts)


def _curve(line: Line, x_axis: Axis, y_axis: Axis, colour: str) -> str:
    some = np.unique(np.linspace(0, max(len(line.x) - 1, 0), min(len(line.x), MOST_POINTS)).round().astype(int))
    x = LEFT + (WIDTH - LEFT - RIGHT) * x_axis.places(line.x[some])
    y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - y_axis.places(line.y[some]))
    known = np.isfinite(x) & np.isfinite(y)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[known], y[known], strict=True))
    dash = ' stroke-dasharray="4 4"' if line.guide else ""
    dots = known & ((line.dots and len(some) <= MOST_DOTS) or known.sum() == 1)
    marks = "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in zip(x[dots], y[dots], strict=True)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>{marks}'


def _shade(part: float) -> str:
    """From a light to a dark blue."""
    red, green, blue = (round(a + (b - a) * part) for a, b in ((224, 20), (236, 60), (247, 110)))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _written(ticks: list[float]) -> list[tuple[float, str]]:
    """Each with so many digits that no two are alike."""
    texts: list[str] = []
    for digits in range(4, 17):
        texts = [_number(tick, digits) for tick in ticks]
        if len({*texts}) == len(ticks):
            break
    return list(zip(ticks, texts, strict=True))


def _number(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}".replace("e+0", "e").replace("e-0", "e−").replace("-", "−")
