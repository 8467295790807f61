"""Noise filters, from their definitions."""

import datetime as dt

import numpy as np

from fluxhero.kernels.types import FloatArray

from .facts import NAN, Facts, Outputs, Series, root, total, windows

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no zone


def is_thin(time: float, opens: float, closes: float) -> bool:
    """Before the open, at lunch or after 16:00, by the calendar; never where a session lasts a whole day."""
    if closes - opens >= 86_400 or time >= closes:
        return False
    clock = (EPOCH + dt.timedelta(seconds=float(time))).time()
    return time < opens or clock.hour == 12 or clock.hour >= 16


def spread_noise_oracle(
    spread: Series,
    close: Series,
    time: Series,
    session_open: Series,
    session_close: Series,
    lookback: int,
    limit: float,
    illiquid_limit: float,
    bar_minutes: float,
) -> Outputs:
    passes, noises = [], []
    hours = zip(time, session_open, session_close, strict=True)
    for window, wide, when in zip(windows(close, lookback), spread, hours, strict=True):
        if window is None:
            passes.append(NAN)
            noises.append(NAN)
            continue
        mean = window[0] + total(value - window[0] for value in window) / lookback
        deviation = root(total((value - mean) ** 2 for value in window) / lookback)
        usual = deviation * root(5.0 / bar_minutes)
        flat = max(window) == min(window)
        noise = 0.0 if wide == 0 else 1e6 if flat else min(wide / usual, 1e6)
        passes.append(0.0 if noise > (illiquid_limit if is_thin(*when) else limit) else 1.0)
        noises.append(noise)
    return passes, noises


def volume_filter_oracle(volume: Series, lookback: int, at_least: float) -> Outputs:
    passes, shares = [], []
    for window in windows(volume, lookback):
        if window is None:
            passes.append(NAN)
            shares.append(NAN)
            continue
        mean = total(window) / lookback
        shares.append(window[-1] / mean if mean else 0.0)
        passes.append(1.0 if window[-1] > at_least * mean else 0.0)
    return passes, shares


def entry_time_filter_oracle(
    time: Series,
    session_open: Series,
    session_close: Series,
    delay_minutes: float,
    no_entry_minutes: float,
) -> Outputs:
    passes, minutes = [], []
    for now, opens, closes in zip(time, session_open, session_close, strict=True):
        fill = now + 60 * delay_minutes
        waits = fill >= closes
        left = (closes - opens if waits else closes - fill) / 60
        allowed = waits or closes - opens >= 86_400 or left > no_entry_minutes
        passes.append(1.0 if allowed else 0.0)
        minutes.append(left)
    return passes, minutes


def gap_filter_oracle(open: Series, close: Series, limit: float) -> Outputs:
    gaps = [NAN if t == 0 else (price - close[t - 1]) / close[t - 1] for t, price in enumerate(open)]
    return [NAN if t == 0 else float(abs(gap) <= limit) for t, gap in enumerate(gaps)], gaps


def session_gap_filter_oracle(open: Series, close: Series, session_open: Series, limit: float) -> Outputs:
    gaps = []
    for t, session in enumerate(session_open):
        first = next(i for i in range(len(session_open)) if session_open[i] == session)
        gaps.append((open[first] - close[first - 1]) / close[first - 1] if first else 0.0)
        assert first <= t
    return [float(abs(gap) <= limit) for gap in gaps], gaps


def example_spread(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.round(rng.exponential(0.03, n_bars), 2)


def example_close(rng: np.random.Generator, n_bars: int) -> FloatArray:
    """Prices whose opens jump: see `example_open`, which draws the same numbers."""
    return np.round(rng.uniform(99.0, 101.0, n_bars), 2)


def example_open(rng: np.random.Generator, n_bars: int) -> FloatArray:
    close = example_close(rng, n_bars)
    before = np.concatenate([close[:1], close[:-1]])
    return np.round(before * (1.0 + rng.normal(0.0, 0.02, n_bars)), 2)


JUMPY = {"open": example_open, "close": example_close}

FACTS = {
    "spread_noise": Facts(
        spread_noise_oracle,
        [(2, 0.05, 0.025, 5.0), (7, 0.5, 0.1, 1.0), (20, 0.05, 0.025, 5.0)],
        flat={"passes": 0.0, "value": 1e6},
        series={"spread": example_spread},
        is_positive=True,
    ),
    "volume_filter": Facts(volume_filter_oracle, [(1, 0.5), (2, 1.5), (20, 0.5)], is_positive=True),
    "entry_time_filter": Facts(entry_time_filter_oracle, [(0.0, 15.0), (5.0, 0.0), (240.0, 60.0)]),
    "gap_filter": Facts(
        gap_filter_oracle,
        [(0.02,), (0.0,), (0.005,)],
        flat={"passes": 1.0, "value": 0.0},
        series=JUMPY,
        is_positive=True,
    ),
    "session_gap_filter": Facts(
        session_gap_filter_oracle,
        [(0.02,), (0.0,), (0.005,)],
        flat={"passes": 1.0, "value": 0.0},
        series=JUMPY,
        is_positive=True,
    ),
}
