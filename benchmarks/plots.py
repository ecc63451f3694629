"""Plots as SVG: bars by name, or lines over numbers. Plain enough to be read as text in a diff."""

import math
from collections.abc import Callable, Sequence
from html import escape

from benchmarks.findings import Plot

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760, 70, 20, 46, 48
LINES_HEIGHT = 360
BAR_HEIGHT, NAMES_WIDTH = 26, 370
COLOURS = ("#2f5d8a", "#c4572e", "#3f8f5b", "#8a5aa8", "#b08a1e", "#4aa3b5", "#7a7a7a")
SIGNET = "#c4572e"


def drawn(plot: Plot) -> str:
    """Return the SVG of a plot."""
    return _bars(plot) if plot.bars else _lines(plot)


def _svg(plot: Plot, height: int, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    name = f'role="img" aria-label="{escape(plot.title)}"'
    begun = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" {name}>'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    return "\n".join([begun, ground, _text(16, 24, plot.title, size=15), *parts, "</svg>", ""])


def _text(x: float, y: float, said: str, *, anchor: str = "start", size: int = 12, turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="#222222"{turn}>{escape(said)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = "#dddddd") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _bars(plot: Plot) -> str:
    """Draw the longest first; whatever is Signet's has a colour of its own."""
    parts = []
    longest = max(plot.bars.values(), default=0.0) or 1.0
    room = WIDTH - NAMES_WIDTH - RIGHT - 50
    for place, (name, value) in enumerate(sorted(plot.bars.items(), key=lambda each: -each[1])):
        y = TOP + place * BAR_HEIGHT
        colour = SIGNET if name.startswith("Signet") else COLOURS[0]
        length = room * value / longest
        parts += [
            _text(NAMES_WIDTH - 8, y + 15, name, anchor="end"),
            f'<rect x="{NAMES_WIDTH}" y="{y + 3}" width="{length:.1f}" height="{BAR_HEIGHT - 8}" fill="{colour}"/>',
            _text(NAMES_WIDTH + length + 6, y + 15, f"{value:.2f}"),
        ]
    height = TOP + len(plot.bars) * BAR_HEIGHT + 30
    return _svg(plot, height, [*parts, _text(NAMES_WIDTH, height - 10, plot.y)])


def _lines(plot: Plot) -> str:
    points = [point for line in plot.lines.values() for point in line]
    if not points:
        return _svg(plot, TOP + 30, [_text(16, TOP + 10, "nothing was measured")])
    x_of, x_ticks = _axis([x for x, _ in points], LEFT, WIDTH - RIGHT, logarithmic="x" in plot.logarithmic)
    y_of, y_ticks = _axis([0.0, *(y for _, y in points)] if "y" not in plot.logarithmic else [y for _, y in points],
                          LINES_HEIGHT - BOTTOM, TOP, logarithmic="y" in plot.logarithmic)  # fmt: skip
    parts = []
    for tick in y_ticks:
        parts += [_line(LEFT, y_of(tick), WIDTH - RIGHT, y_of(tick)),
                  _text(LEFT - 6, y_of(tick) + 4, _short(tick), anchor="end")]  # fmt: skip
    for tick in x_ticks:
        parts += [_line(x_of(tick), TOP, x_of(tick), LINES_HEIGHT - BOTTOM),
                  _text(x_of(tick), LINES_HEIGHT - BOTTOM + 16, _short(tick), anchor="middle")]  # fmt: skip
    for place, (name, line) in enumerate(plot.lines.items()):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{colour}"/>' for x, y in line]
        y = LINES_HEIGHT + 8 + place * 18
        parts += [f'<rect x="{LEFT}" y="{y - 9}" width="12" height="10" fill="{colour}"/>', _text(LEFT + 18, y, name)]
    parts += [
        _text((LEFT + WIDTH - RIGHT) / 2, LINES_HEIGHT - 12, plot.x, anchor="middle"),
        _text(16, (TOP + LINES_HEIGHT - BOTTOM) / 2, plot.y, anchor="middle", turned=True),
    ]
    return _svg(plot, LINES_HEIGHT + 10 + 18 * len(plot.lines), parts)


def _axis(
    values: Sequence[float], start: float, end: float, *, logarithmic: bool
) -> tuple[Callable[[float], float], list[float]]:
    """Return where a value stands between two places, and the values that are written there."""
    if logarithmic:
        lowest = math.floor(math.log10(min(value for value in values if value > 0)))
        highest = max(lowest + 1, math.ceil(math.log10(max(values))))
        return (
            lambda value: start + (end - start) * (math.log10(value) - lowest) / (highest - lowest),
            [10.0**power for power in range(lowest, highest + 1)],
        )
    lowest_value, most = min(0.0, *values), max(values)
    step = _step((most - lowest_value) or 1.0)
    highest_value = math.ceil(most / step) * step or step
    ticks = [step * number for number in range(math.floor(lowest_value / step), round(highest_value / step) + 1)]
    return lambda value: start + (end - start) * (value - ticks[0]) / (ticks[-1] - ticks[0]), ticks


def _step(reach: float) -> float:
    """Return 1, 2 or 5 times a power of ten, of which about five make up the reach."""
    power = 10.0 ** math.floor(math.log10(reach / 5))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 5.5 >= reach)


def _short(value: float) -> str:
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g} {sign}"
    return f"{value:g}"
