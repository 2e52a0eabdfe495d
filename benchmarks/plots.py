"""Plots as SVG, written by hand: what was measured as points, each with its spread, and axes with units."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.measure import RATE, Outcome

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 150, 50, 60
_COLOURS = ("#1f6feb", "#d1710b", "#2da44e", "#8250df")
_MICROSECONDS = 1_000_000
_THOUSAND, _MILLION = 1_000, 1_000_000

Scale = Callable[[float], float]


def write(folder: Path, outcome: Outcome) -> Path:
    """Draw a row that has a plot; its file."""
    path = folder / f"{outcome.name}.svg"
    path.write_text("\n".join(_svg(outcome)) + "\n", encoding="utf-8")
    return path


def _svg(outcome: Outcome) -> Iterator[str]:
    plot = outcome.row.plot
    series = _series(outcome)
    xs = sorted({x for points in series.values() for x, *_ in points})
    highest = max(high for points in series.values() for *_, high in points)
    lowest = min(low for points in series.values() for _, _, low, _ in points)
    x_scale, y_scale = plot.scale
    across = _scale(x_scale, xs[0], xs[-1], _LEFT, _WIDTH - _RIGHT, step=min(filter(None, xs)))
    y_ticks = _ticks(y_scale, lowest, highest)
    up = _scale(y_scale, y_ticks[0], y_ticks[-1], _HEIGHT - _BOTTOM, _TOP, step=1.0)
    y_label = "microseconds an item" if plot.cost else "rows a second"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
        ' font-family="sans-serif" font-size="12" fill="#333">'
    )
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
    yield _text(_LEFT, 26, plot.title, 'font-size="15" font-weight="bold"')
    for tick in y_ticks:
        yield _line(_LEFT, up(tick), _WIDTH - _RIGHT, up(tick), "#ddd")
        yield _text(_LEFT - 8, up(tick) + 4, _number(tick), 'text-anchor="end"')
    for x in xs:
        yield _line(across(x), _HEIGHT - _BOTTOM, across(x), _HEIGHT - _BOTTOM + 5, "#333")
        yield _text(across(x), _HEIGHT - _BOTTOM + 20, _number(x), 'text-anchor="middle"')
    yield _line(_LEFT, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, "#333")
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 18, plot.x_label, 'text-anchor="middle"')
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    yield _text(22, middle, y_label, f'text-anchor="middle" transform="rotate(-90 22 {middle:g})"')
    for (name, points), colour in zip(series.items(), _COLOURS, strict=False):
        yield from _drawn(name, [(across(x), up(y), up(low), up(high)) for x, y, low, high in points], colour)
    yield "</svg>"


def _series(outcome: Outcome) -> dict[str, list[tuple[float, float, float, float]]]:
    """By its name, for each x the median and the spread of what is drawn."""
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for side in outcome.row.sides:
        rates = outcome.samples[side.name][RATE]
        values = (outcome.median(side.name), min(rates), max(rates))
        if outcome.row.plot.cost:
            middle, low, high = values
            values = (_MICROSECONDS / middle, _MICROSECONDS / high, _MICROSECONDS / low)
        found.setdefault(side.series, []).append((side.x, *values))
    return {name: sorted(points) for name, points in found.items()}


def _drawn(name: str, points: list[tuple[float, float, float, float]], colour: str) -> Iterator[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y, low, high in points:
        yield _line(x, low, x, high, colour)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    x, y, *_ = points[-1]
    yield _text(x + 12, y + 4, name, f'fill="{colour}"')


def _scale(kind: str, first: float, last: float, start: float, end: float, *, step: float) -> Scale:
    """Return the scale that places a number; `symlog` is logarithmic from `step` on, and has a place for 0."""

    def place(value: float) -> float:
        if kind == "linear":
            return value
        return math.log10(value) if kind == "log" else math.log10(1 + value / step)

    low, high = place(first), place(last)
    return lambda value: start + (place(value) - low) / (high - low) * (end - start)


def _ticks(kind: str, lowest: float, highest: float) -> list[float]:
    if kind == "log":
        return [10.0**power for power in range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)]
    power = 10 ** math.floor(math.log10(highest))
    step = next(part * power for part in (0.2, 0.5, 1, 2) if part * power * 6 >= highest)
    return [number * step for number in range(math.ceil(highest / step) + 1)]


def _number(value: float) -> str:
    if value >= _MILLION:
        return f"{value / _MILLION:g} million"
    return f"{value:,.0f}" if value >= _THOUSAND else f"{value:g}"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
