"""Curves as a small SVG picture: growth against what would be linear."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 380, 330  # of a panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 44, 80  # around its curves
COLOURS = ("#1d5fbf", "#c2410c")  # told apart in grey, too
GROUND, INK, FAINT, LINEAR = "#ffffff", "#1f2328", "#d0d7de", "#6e7781"
LOG_STEPS = (1, 3)  # of each power of ten: the ticks of a logarithmic axis
TICKS = 6  # of a plain axis, at most


@dataclass(frozen=True)
class Series:
    """One curve.

    Attributes:
        name: for a person.
        points: x and y of each, x ascending, all above 0.
    """

    name: str
    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not self.points or min(min(point) for point in self.points) <= 0:
            raise ValueError(f"{self.name}: expected points above 0, got {self.points}")


@dataclass(frozen=True)
class Panel:
    """Some curves over one axis.

    Attributes:
        title: above them.
        x_label: what the axis below shows, with its unit.
        y_label: what the axis beside them shows, with its unit.
        series: the curves; the line of what would be linear goes through the first point of the first.
        logarithmic: both axes; else both begin at 0.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    logarithmic: bool = True

    @property
    def linear(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Both ends of the line of what would be linear."""
        first_x, first_y = self.series[0].points[0]
        last_x = max(x for one in self.series for x, _ in one.points)
        return (first_x, first_y), (last_x, first_y * last_x / first_x)


@dataclass(frozen=True)
class Axis:
    """From values to pixels.

    Attributes:
        low: value at *start*.
        high: value at *end*.
        start: in pixels.
        end: in pixels.
        logarithmic: equal ratios are equally far.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high, value = (
            math.log(one) if self.logarithmic else one for one in (self.low, self.high, value)
        )
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round values along it."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = [step * 10.0**power for power in powers for step in LOG_STEPS]
            return [step for step in steps if self.low * 0.999 <= step <= self.high * 1.001]
        step = max(1.0, _round_step(self.high / TICKS))  # of what is counted
        return [step * number for number in range(int(self.high / step + 1e-9) + 1)]


def svg(panels: Sequence[Panel]) -> str:
    """Draw panels side by side.

    Args:
        panels: one or more.

    Returns:
        The text of an SVG file.
    """
    width = WIDTH * len(panels)
    drawn = [
        f'<g transform="translate({WIDTH * number} 0)">\n{_panel(panel)}\n</g>'
        for number, panel in enumerate(panels)
    ]
    title = escape("; ".join(panel.title for panel in panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" '
        f'viewBox="0 0 {width} {HEIGHT}" role="img" fill="{INK}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="12">\n'
        f'<title>{title}</title>\n<rect width="{width}" height="{HEIGHT}" fill="{GROUND}"/>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _panel(panel: Panel) -> str:
    x, y = _axes(panel)
    parts = [
        f'<text x="{LEFT}" y="24" font-size="14" font-weight="bold">{escape(panel.title)}</text>',
        *_grid(panel, x, y),
        _line(panel.linear, x, y, f'stroke="{LINEAR}" stroke-width="1.5" stroke-dasharray="5 4"'),
    ]
    for one, colour in zip(panel.series, COLOURS, strict=False):
        parts.append(_line(one.points, x, y, f'stroke="{colour}" stroke-width="2"'))
        parts += [
            f'<circle cx="{x.at(at_x):.1f}" cy="{y.at(at_y):.1f}" r="3.5" fill="{colour}"/>'
            for at_x, at_y in one.points
        ]
    return "\n".join([*parts, *_legend(panel)])


def _axes(panel: Panel) -> tuple[Axis, Axis]:
    points = [*panel.linear, *(point for one in panel.series for point in one.points)]
    edges = (LEFT, WIDTH - RIGHT), (HEIGHT - BOTTOM, TOP)
    ranges = [_range([point[number] for point in points], panel.logarithmic) for number in (0, 1)]
    x, y = (
        Axis(low, high, start, end, panel.logarithmic)
        for (low, high), (start, end) in zip(ranges, edges, strict=True)
    )
    return x, y


def _range(values: Sequence[float], logarithmic: bool) -> tuple[float, float]:  # noqa: FBT001 - a panel's own
    """What an axis shows: a little more than the values."""
    if logarithmic:
        return min(values) * 0.8, max(values) * 1.25
    return 0.0, max(values) * 1.1


def _grid(panel: Panel, x: Axis, y: Axis) -> Iterator[str]:
    """The axes with their ticks and names."""
    for tick in x.ticks:
        at = f"{x.at(tick):.1f}"
        yield f'<path d="M{at} {y.start}V{y.end}" stroke="{FAINT}"/>'
        yield f'<text x="{at}" y="{y.start + 16}" text-anchor="middle">{tick:g}</text>'
    for tick in y.ticks:
        at = f"{y.at(tick):.1f}"
        yield f'<path d="M{x.start} {at}H{x.end}" stroke="{FAINT}"/>'
        yield f'<text x="{x.start - 6}" y="{at}" dy="4" text-anchor="end">{tick:g}</text>'
    yield f'<path d="M{x.start} {y.end}V{y.start}H{x.end}" fill="none" stroke="{INK}"/>'
    middle = (x.start + x.end) / 2, (y.start + y.end) / 2
    yield f'<text x="{middle[0]}" y="{y.start + 34}" text-anchor="middle">{escape(panel.x_label)}</text>'
    yield (
        f'<text transform="translate(16 {middle[1]}) rotate(-90)" text-anchor="middle">'
        f"{escape(panel.y_label)}</text>"
    )


def _legend(panel: Panel) -> Iterator[str]:
    """What each line is, below the axis."""
    names = [*((one.name, colour, "") for one, colour in zip(panel.series, COLOURS, strict=False))]
    names.append(("linear", LINEAR, ' stroke-dasharray="5 4"'))
    at = float(LEFT)
    for name, colour, dashes in names:
        y = HEIGHT - 16
        yield f'<path d="M{at:.0f} {y - 4}h22" stroke="{colour}" stroke-width="2"{dashes}/>'
        yield f'<text x="{at + 28:.0f}" y="{y}">{escape(name)}</text>'
        at += 42 + 5.8 * len(name)


def _line(points: Sequence[tuple[float, float]], x: Axis, y: Axis, style: str) -> str:
    path = "L".join(f"{x.at(at_x):.1f} {y.at(at_y):.1f}" for at_x, at_y in points)
    return f'<path d="M{path}" fill="none" {style}/>'


def _round_step(least: float) -> float:
    """The least of 1, 2, 5, 10, 20 and so on that is not below *least*."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * 0.999)
