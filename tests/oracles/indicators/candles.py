"""Shapes of bars, and gaps between them."""

import numpy as np

from fluxhero.kernels.types import FloatArray

from .facts import NAN, Facts, Outputs, Series
from .ranges import GAPPING_BARS


def candle_oracle(open: Series, high: Series, low: Series, close: Series) -> Outputs:
    shapes = []
    for o, h, x, c in zip(open, high, low, close, strict=True):
        if h == x:
            shapes.append((0.0, 0.0, 0.0, 0.0, 0.5, 0.0))
            continue
        up, down = max(o, c), min(o, c)
        parts = [part / (h - x) for part in (up - down, c - o, h - up, down - x, c - x)]
        shapes.append((*parts, (h - x) / c))
    return tuple([shape[i] for shape in shapes] for i in range(6))


def gap_oracle(open: Series, close: Series) -> Outputs:
    gaps = [(after - before) / before for after, before in zip(open[1:], close, strict=False)]
    return ([NAN, *gaps][: len(close)],)


def session_gap_oracle(open: Series, close: Series, session_open: Series) -> Outputs:
    out = []
    for t in range(len(close)):
        first = t
        while first > 0 and session_open[first - 1] == session_open[t]:
            first -= 1
        before = close[first - 1]
        out.append((open[first] - before) / before if first > 0 else NAN)
    return (out,)


def example_sessions(rng: np.random.Generator, n_bars: int) -> FloatArray:
    """Sessions of 17 bars; the first has one, so that there is something to compare with at once."""
    return (np.arange(n_bars) + 16) // 17 * 86_400.0


FACTS = {
    "candle": Facts(
        candle_oracle,
        [()],
        flat={"body": 0.0, "direction": 0.0, "close_location": 0.5, "range_fraction": 0.0},
        is_positive=True,
        series=GAPPING_BARS,
    ),
    "gap": Facts(gap_oracle, [()], flat={"gap": 0.0}, is_positive=True, series=GAPPING_BARS),
    "session_gap": Facts(
        session_gap_oracle,
        [()],
        flat={"session_gap": 0.0},
        is_positive=True,
        series=GAPPING_BARS | {"session_open": example_sessions},
    ),
}
