"""A small picture of each indicator over an invented price, as SVG text."""

from functools import cache
from typing import NamedTuple

import numpy as np

from .indicator import Indicator
from .indicators.adx import adx
from .indicators.atr import atr
from .indicators.linear_regression import linear_regression
from .indicators.sma import sma
from .types import FloatArray

N_BARS, N_SHOWN = 624, 234  # of 5 minutes: eight sessions, the last three are shown
_WIDTH, _PRICE_HEIGHT, _OTHER_HEIGHT, _GAP = 720.0, 150.0, 90.0, 14.0
_PRICE, _LINES = "#8a8f98", ("#2f6fde", "#d9632b", "#2e9e6b", "#9a4fc4")  # legible on light and on dark


class Panel(NamedTuple):
    """Lines that share an axis."""

    lines: list[tuple[str, str, FloatArray]]  # name, colour, values
    height: float


@cache
def invented(n_bars: int = N_BARS) -> dict[str, FloatArray]:
    """Bars of a price that trends, rests and jumps, by whole-number arithmetic: the same on every machine."""
    seed, price = 20_240_117, 10_000
    rows = []
    for t in range(n_bars):
        moves = []
        for _ in range(6):
            seed = (1_103_515_245 * seed + 12_345) % 2**31
            moves.append((seed >> 16) % 21 - 10)
        slot = t % 78
        drift = (3, -2, 0, 4, -4, 2, 0, -1)[t // 78 % 8]
        opened = price + (moves[0] * 12 if slot == 0 else 0)
        price = max(opened + moves[1] + moves[2] + drift, 100)
        high, low = max(opened, price) + abs(moves[3]), min(opened, price) - abs(moves[4])
        volume = 1_000 + 8 * (slot - 39) ** 2 // 10 + 40 * abs(moves[5]) + 60 * abs(price - opened)
        start = (19_723 + t // 78) * 86_400 + 34_200
        rows.append((opened, high, low, price, volume, start + 300 * (slot + 1), start, start + 23_400))
    table = np.array(rows, dtype=np.float64).T
    table[:4] /= 100.0
    names = ("open", "high", "low", "close", "volume", "time", "session_open", "session_close")
    return dict(zip(names, table, strict=True))


def example_inputs(indicator: Indicator, n_bars: int = N_BARS) -> list[FloatArray]:
    """Series for the inputs of an indicator."""
    bars = invented(n_bars)
    wave = np.abs(np.arange(n_bars) % 160 - 80.0) / 80.0  # a triangle between 0 and 1
    ranges = atr(bars["high"], bars["low"], bars["close"], lookback=14)
    strength = adx(bars["high"], bars["low"], bars["close"], lookback=14)
    made = {
        "adx": strength.adx,
        "r_squared": linear_regression(bars["close"], lookback=50).r_squared,
        "atr": ranges,
        "atr_mean": sma(ranges, lookback=50),
        "atr_fast": ranges,
        "atr_slow": sma(ranges, lookback=50) * 2.0,
        "spread": np.full(n_bars, 0.01),
        "vix": 11.0 + 18.0 * wave,
        "volatility": 0.06 + 0.2 * wave,
        "pmi": 43.0 + 12.0 * wave,
        "curve_slope": 1.5 - 2.2 * np.abs(np.arange(n_bars) % 220 - 110.0) / 110.0,
        "period": np.round(8.0 + 30.0 * wave),
        "alpha": 0.1 + 0.5 * wave,
        "x": bars["close"],
        "y": bars["volume"],
    }
    return [bars[name] if name in bars else made[name] for name in indicator.inputs]


def picture(indicator: Indicator) -> str:
    """Price and outputs, those with the price's unit on the price's axis."""
    close = invented()["close"][-N_SHOWN:]
    given = np.atleast_2d(indicator.public(*example_inputs(indicator)))[:, -N_SHOWN:]
    above: list[tuple[str, str, FloatArray]] = [("close", _PRICE, close)]
    below: list[tuple[str, str, FloatArray]] = []
    for name, colour, values in zip(indicator.outputs, _LINES * 3, given):
        known = values[np.isfinite(values)]
        is_price = known.size and close.min() * 0.9 < known.min() and known.max() < close.max() * 1.1
        (above if is_price else below).append((name, colour, values))
    panels = [Panel(above, _PRICE_HEIGHT)] + ([Panel(below, _OTHER_HEIGHT)] if below else [])
    height = sum(panel.height + _GAP for panel in panels) + 6.0
    body, top = [], 6.0
    for panel in panels:
        body += _panel(panel, top)
        top += panel.height + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" '
        f'font-family="sans-serif" font-size="11">\n' + "\n".join(body) + "\n</svg>\n"
    )


def _panel(panel: Panel, top: float) -> list[str]:
    known = np.concatenate([values[np.isfinite(values)] for _, _, values in panel.lines])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if high <= low:
        low, high = low - 1.0, high + 1.0
    plot = _WIDTH - 64.0
    parts = [
        f'<rect x="0" y="{top:g}" width="{plot:g}" height="{panel.height:g}" fill="none" '
        f'stroke="{_PRICE}" stroke-opacity="0.35"/>'
    ]
    for value, y in ((high, top + 22.0), (low, top + panel.height - 3.0)):
        parts.append(f'<text x="{plot + 5:g}" y="{y:g}" fill="{_PRICE}">{value:.4g}</text>')
    for i, (name, colour, values) in enumerate(panel.lines):
        x = 6.0 + 92.0 * i
        parts.append(f'<text x="{x:g}" y="{top + 11:g}" fill="{colour}">{name}</text>')
        parts += _line(values, colour, (low, high), (top + 14.0, panel.height - 14.0), plot)
    return parts


def _line(
    values: FloatArray, colour: str, bounds: tuple[float, float], place: tuple[float, float], plot: float
) -> list[str]:
    """Polylines of the known stretches, to a tenth of a pixel."""
    (low, high), (top, height) = bounds, place
    parts, points = [], []
    for i, value in enumerate([*values.tolist(), np.nan]):
        if np.isfinite(value):
            x = plot * i / (N_SHOWN - 1)
            y = top + (height - 4.0) * (1.0 - (value - low) / (high - low)) + 2.0
            points.append(f"{x:.0f},{y:.1f}")
        elif points:
            parts.append(
                f'<polyline fill="none" stroke="{colour}" stroke-width="1.2" points="{" ".join(points)}"/>'
            )
            points = []
    return parts
