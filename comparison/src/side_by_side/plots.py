"""Plots as SVG, drawn here: nothing is loaded from anywhere when the report is opened."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from side_by_side.result import shown

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 74, 200, 16, 44
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b9770e", "#555555", "#c2528b")
Points = Sequence[tuple[float, float]]


def lines(
    series: Mapping[str, Points],
    *,
    across: str,
    up: str,
    logarithmic: bool = False,
    simulated: Mapping[str, Points] | None = None,
) -> str:
    """Draw lines through points. `simulated`: further points of a line, drawn dashed: nobody measured them."""
    beyond = simulated or {}
    everything = [point for points in (*series.values(), *beyond.values()) for point in points]
    scale_x = _Scale([x for x, _ in everything], LEFT, WIDTH - RIGHT, logarithmic=False)
    scale_y = _Scale([y for _, y in everything], HEIGHT - BOTTOM, TOP, logarithmic=logarithmic)
    parts = [_axes(scale_x, scale_y, across, up)]
    for place, (name, points) in enumerate(series.items()):
        colour = COLOURS[place % len(COLOURS)]
        parts.append(_path(points, scale_x, scale_y, f'stroke="{colour}"'))
        parts += [f'<circle cx="{scale_x(x):.1f}" cy="{scale_y(y):.1f}" r="2.5" fill="{colour}"/>' for x, y in points]
        if name in beyond:
            parts.append(_path(beyond[name], scale_x, scale_y, f'stroke="{colour}" stroke-dasharray="5 4"'))
        parts.append(_text(WIDTH - RIGHT + 12, TOP + 14 + 18 * place, name, colour=colour))
    if beyond:
        parts.append(_text(WIDTH - RIGHT + 12, TOP + 14 + 18 * len(series), "dashed: simulated", colour="#777"))
    return _svg(parts, HEIGHT)


def timelines(accepted_until: Mapping[str, Sequence[tuple[float, int]]], *, across: str) -> str:
    """Draw, for each name, how long its credential was let in and when it was refused, in seconds from log-out."""
    height = TOP + 34 * len(accepted_until) + BOTTOM
    moments = [moment for answers in accepted_until.values() for moment, _ in answers]
    scale = _Scale([*moments, 0.0], LEFT + 90, WIDTH - 20, logarithmic=False)
    floor = height - BOTTOM
    parts = []
    for place, (name, answers) in enumerate(accepted_until.items()):
        y = TOP + 34 * place + 14
        good = [moment for moment, status in answers if status == 200]
        refused = next(moment for moment, status in answers if status != 200)
        width = max(1.5, scale(max(good)) - scale(min(good)))
        parts.append(_text(LEFT + 80, y + 4, name, anchor="end"))
        parts.append(f'<rect x="{scale(min(good)):.1f}" y="{y - 8}" width="{width:.1f}" height="16" fill="#2e8b57"/>')
        parts.append(f'<circle cx="{scale(refused):.1f}" cy="{y}" r="5" fill="#c0392b"/>')
    parts.append(
        f'<line x1="{scale(0):.1f}" y1="{TOP}" x2="{scale(0):.1f}" y2="{floor}" stroke="#444" stroke-dasharray="3 3"/>'
    )
    parts.append(_text(scale(0), floor + 30, "logged out", anchor="middle"))
    parts += [_text(scale(tick), floor + 14, shown(tick), anchor="middle", colour="#777") for tick in scale.ticks()]
    parts.append(_text(WIDTH - 20, floor + 30, across, anchor="end", colour="#777"))
    return _svg(parts, height)


class _Scale:
    """Places values between two ends of the drawing."""

    def __init__(self, values: Sequence[float], start: float, end: float, *, logarithmic: bool) -> None:
        self._logarithmic = logarithmic
        low, high = min(values), max(values)
        self._low = max(low, 1e-3) if logarithmic else min(0.0, low)
        self._high = high if high > self._low else self._low + 1
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        if self._logarithmic:
            value, low, high = math.log10(max(value, self._low)), math.log10(self._low), math.log10(self._high)
        else:
            low, high = self._low, self._high
        return self._start + (value - low) / (high - low) * (self._end - self._start)

    def ticks(self) -> list[float]:
        if self._logarithmic:
            first, last = math.floor(math.log10(self._low)), math.ceil(math.log10(self._high))
            steps = [base * 10**power for power in range(first, last + 1) for base in (1, 2, 5)]
            return [step for step in steps if self._low <= step <= self._high]
        rough = (self._high - self._low) / 5
        size = 10 ** math.floor(math.log10(rough))
        step = next(size * each for each in (1, 2, 5, 10) if size * each >= rough)
        first = math.ceil(self._low / step)
        return [step * place for place in range(first, math.floor(self._high / step) + 1)]


def _axes(scale_x: _Scale, scale_y: _Scale, across: str, up: str) -> str:
    floor = HEIGHT - BOTTOM
    parts = [f'<path d="M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}" fill="none" stroke="#444"/>']
    parts += [_text(scale_x(tick), floor + 16, shown(tick), anchor="middle", colour="#777") for tick in scale_x.ticks()]
    for tick in scale_y.ticks():
        y = scale_y(tick)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 6, y + 4, shown(tick), anchor="end", colour="#777"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, across, anchor="middle"))
    parts.append(f'<g transform="rotate(-90 14 {HEIGHT / 2:.0f})">{_text(14, HEIGHT / 2, up, anchor="middle")}</g>')
    return "".join(parts)


def _path(points: Points, scale_x: _Scale, scale_y: _Scale, style: str) -> str:
    drawn = " ".join(f"{scale_x(x):.1f},{scale_y(y):.1f}" for x, y in points)
    return f'<polyline points="{drawn}" fill="none" stroke-width="2" {style}/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _svg(parts: Sequence[str], height: int) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" font-size="12" '
        f'font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    )
