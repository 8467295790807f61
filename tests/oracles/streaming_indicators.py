"""Indicators fed value by value, written from their definitions: windows kept whole, sums made anew.

Each class takes finished bars (or values) through ``add`` and returns what is known then; NaN before the
warm-up is over. Definitions are Wilder's and TA-Lib's, with these choices: a flat window gives an
efficiency ratio of 0, an RSI of 50 and an R squared of 0.
"""

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise

from fluxhero.tests.oracles.coarse_bars import Bar

NEUTRAL, STRONG_TREND, MEAN_REVERSION = 0.0, 1.0, 2.0


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and population standard deviation."""
    base = values[0]  # deviations from a value of the window: a flat one has exactly its mean and 0
    mean = math.fsum(value - base for value in values) / len(values)
    variance = math.fsum((value - base - mean) ** 2 for value in values) / len(values)
    return base + mean, math.sqrt(variance)


class Previous:
    """The value of the bar before."""

    def __init__(self) -> None:
        self.value = math.nan

    def add(self, value: float) -> float:
        before = self.value
        if not math.isnan(value):
            self.value = value
        return before


class Sma:
    def __init__(self, lookback: int) -> None:
        self.window: deque[float] = deque(maxlen=lookback)

    def add(self, value: float) -> float:
        self.window.append(value)
        if len(self.window) < (self.window.maxlen or 0):
            return math.nan
        return mean_and_deviation(self.window)[0]


class Ema:
    """Starts with the plain mean of the first values."""

    def __init__(self, lookback: int) -> None:
        self.lookback = lookback
        self.seed: list[float] = []
        self.value = math.nan

    def add(self, value: float) -> float:
        if len(self.seed) < self.lookback:
            self.seed.append(value)
            if len(self.seed) == self.lookback:
                self.value = math.fsum(self.seed) / self.lookback
        else:
            self.value += 2.0 / (self.lookback + 1.0) * (value - self.value)
        return self.value


class Kama:
    """Kaufman's adaptive mean, fast 2, slow 30; begins at the last close of the warm-up."""

    def __init__(self, lookback: int) -> None:
        self.closes: deque[float] = deque(maxlen=lookback + 1)
        self.lookback = lookback
        self.value = math.nan

    def add(self, close: float) -> float:
        self.closes.append(close)
        if len(self.closes) <= self.lookback:
            return math.nan
        closes = list(self.closes)
        path = math.fsum(abs(after - before) for before, after in pairwise(closes))
        efficiency = abs(closes[-1] - closes[0]) / path if path > 0.0 else 0.0
        fast, slow = 2.0 / (2 + 1), 2.0 / (30 + 1)
        smoothing = (efficiency * (fast - slow) + slow) ** 2
        before = closes[-2] if math.isnan(self.value) else self.value
        self.value = before + smoothing * (close - before)
        return self.value


def true_range(bar: Bar, before: Bar) -> float:
    return max(bar.high - bar.low, abs(bar.high - before.close), abs(bar.low - before.close))


class Atr:
    """Wilder's mean of true ranges, begun with the plain mean."""

    def __init__(self, lookback: int) -> None:
        self.lookback = lookback
        self.before: Bar | None = None
        self.seed: list[float] = []
        self.value = math.nan

    def add(self, bar: Bar) -> float:
        before, self.before = self.before, bar
        if before is None:
            return math.nan
        distance = true_range(bar, before)
        if len(self.seed) < self.lookback:
            self.seed.append(distance)
            if len(self.seed) == self.lookback:
                self.value = math.fsum(self.seed) / self.lookback
        else:
            self.value = (self.value * (self.lookback - 1) + distance) / self.lookback
        return self.value


class Rsi:
    """Wilder's index of rises among all changes."""

    def __init__(self, lookback: int) -> None:
        self.lookback = lookback
        self.before = math.nan
        self.seed: list[float] = []
        self.rise = math.nan
        self.fall = math.nan

    def add(self, close: float) -> float:
        before, self.before = self.before, close
        if math.isnan(before):
            return math.nan
        change = close - before
        n = self.lookback
        if len(self.seed) < n:
            self.seed.append(change)
            if len(self.seed) < n:
                return math.nan
            self.rise = math.fsum(max(value, 0.0) for value in self.seed) / n
            self.fall = math.fsum(max(-value, 0.0) for value in self.seed) / n
        else:
            self.rise = (self.rise * (n - 1) + max(change, 0.0)) / n
            self.fall = (self.fall * (n - 1) + max(-change, 0.0)) / n
        total = self.rise + self.fall
        return 100.0 * self.rise / total if total > 0.0 else 50.0


class Bollinger:
    """Lower and middle band."""

    def __init__(self, lookback: int, n_std: float) -> None:
        self.window: deque[float] = deque(maxlen=lookback)
        self.n_std = n_std

    def add(self, close: float) -> tuple[float, float]:
        self.window.append(close)
        if len(self.window) < (self.window.maxlen or 0):
            return math.nan, math.nan
        mean, deviation = mean_and_deviation(self.window)
        return mean - self.n_std * deviation, mean


class Adx:
    """Wilder's directional index with TA-Lib's start: movements begin as sums of lookback - 1 bars."""

    def __init__(self, lookback: int) -> None:
        self.lookback = lookback
        self.before: Bar | None = None
        self.n_moves = 0
        self.rise = self.fall = self.range = 0.0
        self.first: list[float] = []
        self.value = math.nan

    def add(self, bar: Bar) -> float:
        before, self.before = self.before, bar
        if before is None:
            return math.nan
        n = self.lookback
        self.n_moves += 1
        up, down = bar.high - before.high, before.low - bar.low
        if self.n_moves >= n:
            self.rise -= self.rise / n
            self.fall -= self.fall / n
            self.range -= self.range / n
        self.rise += up if up > 0.0 and up > down else 0.0
        self.fall += down if down > 0.0 and down > up else 0.0
        self.range += true_range(bar, before)
        if self.n_moves < n:
            return math.nan
        if len(self.first) < n:
            self.first.append(self.one_sidedness())
            if len(self.first) == n:
                self.value = math.fsum(self.first) / n
        else:
            self.value = (self.value * (n - 1) + self.one_sidedness()) / n
        return self.value

    def one_sidedness(self) -> float:
        """100 |+DI - -DI| / (+DI + -DI); the common range cancels."""
        total = self.rise + self.fall
        return 100.0 * abs(self.rise - self.fall) / total if total > 0.0 else 0.0


class RSquared:
    """Share of the movement that a straight line through the window explains."""

    def __init__(self, lookback: int) -> None:
        self.window: deque[float] = deque(maxlen=lookback)

    def add(self, close: float) -> float:
        self.window.append(close)
        n = len(self.window)
        if n < (self.window.maxlen or 0):
            return math.nan
        base = self.window[0]
        mean = math.fsum(value - base for value in self.window) / n
        deviations = [value - base - mean for value in self.window]
        total = math.fsum(value**2 for value in deviations)
        if all(value == base for value in self.window):
            return 0.0
        times = [t - (n - 1) / 2 for t in range(n)]
        covariance = math.fsum(t * value for t, value in zip(times, deviations, strict=True))
        return covariance**2 / (math.fsum(t**2 for t in times) * total)


class Regime:
    """Strong trend, mean reversion or neutral; a change counts after `confirm` bars in a row."""

    def __init__(
        self, trend_adx: float, trend_r2: float, reversion_adx: float, reversion_r2: float, confirm: int
    ) -> None:
        self.trend = (trend_adx, trend_r2)
        self.reversion = (reversion_adx, reversion_r2)
        self.confirm = confirm
        self.current = math.nan
        self.candidate = math.nan
        self.n_seen = 0

    def add(self, adx: float, r_squared: float) -> float:
        if math.isnan(adx) or math.isnan(r_squared):
            return math.nan
        seen = NEUTRAL
        if adx > self.trend[0] and r_squared > self.trend[1]:
            seen = STRONG_TREND
        elif adx < self.reversion[0] and r_squared < self.reversion[1]:
            seen = MEAN_REVERSION
        if math.isnan(self.current):
            self.current = seen  # nothing to change from
        elif seen == self.current:
            self.n_seen = 0
        else:
            self.n_seen = self.n_seen + 1 if seen == self.candidate and self.n_seen else 1
            self.candidate = seen
            if self.n_seen >= self.confirm:
                self.current, self.n_seen = seen, 0
        return self.current
