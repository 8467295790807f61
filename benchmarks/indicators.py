"""Indicators: time per bar of each one in the registry, and against TA-Lib's C where it has the same.

Public functions on both sides, with their checks and the arrays they return.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fluxhero.kernels.registry import INDICATORS
from fluxhero.kernels.types import FloatArray

from .timing import calls_within, median_s, paired_ratio, repeated, seconds

# "adx" gives the average and both directional indices, which TA-Lib computes one after the other;
# "adx_alone" is ours against its average only.
RIVALS = ("adx", "adx_alone", "atr", "bollinger", "ema", "kama", "linear_regression", "rsi", "sma")


def example_series(name: str, n_bars: int) -> list[FloatArray]:
    """Inputs of an indicator: a random walk in cents with wicks; other indicators where it reads those."""
    rng = np.random.default_rng(1)
    close = np.round(100.0 * np.exp(np.cumsum(rng.standard_t(5, n_bars) * 0.0005)), 2)
    wicks = np.round(np.abs(rng.normal(size=(2, n_bars))) * 0.05, 2)
    series = {
        "open": np.concatenate([close[:1], close[:-1]]),
        "high": close + wicks[0],
        "low": close - wicks[1],
        "close": close,
        "volume": rng.integers(100, 10_000, n_bars).astype(np.float64),
        "adx": rng.uniform(5.0, 50.0, n_bars),
        "r_squared": rng.uniform(0.0, 1.0, n_bars),
    }
    return [series.get(field, close) for field in INDICATORS[name].inputs]


def talib_call(name: str, series: list[FloatArray]) -> Callable[[], Any]:
    """TA-Lib's function on the same series with our default parameters."""
    if name == "adx_alone":
        import talib

        high, low, close = series
        return lambda: talib.ADX(high, low, close, 14)
    from fluxhero.tests.oracles.talib_indicators import TALIB

    params = INDICATORS[name].params
    values = [int(param.default) if param.is_int else param.default for param in params]
    return lambda: TALIB[name](*series, *values)


class AgainstTalib:
    """Ratio of our time to TA-Lib's: below 1 we are faster."""

    params: ClassVar[list[Any]] = [list(RIVALS), [10_000, 1_000_000]]
    param_names: ClassVar[list[str]] = ["indicator", "n_bars"]
    unit = "ratio"
    n_rounds = 21
    least_s = 0.003
    tiny: ClassVar[dict[str, Any]] = {"n_rounds": 1, "least_s": 0.0}
    tiny_params = ("atr", 500)

    def setup(self, name: str, n_bars: int) -> None:
        """Make the series; compile."""
        try:
            import talib  # noqa: F401
        except ImportError:
            raise NotImplementedError("TA-Lib is not installed") from None  # asv skips the benchmark
        known = name.removesuffix("_alone")
        series = example_series(known, n_bars)
        ours, theirs = INDICATORS[known].public, talib_call(name, series)
        ours(*series)
        n_calls = calls_within(theirs, self.least_s)
        self.ours = repeated(lambda: ours(*series), n_calls)
        self.theirs = repeated(theirs, n_calls)

    def track_ratio(self, name: str, n_bars: int) -> float:
        """Our time over theirs, median of paired rounds."""
        return paired_ratio(self.ours, self.theirs, self.n_rounds)


class PerBar:
    """Time of every registered indicator."""

    params: ClassVar[list[Any]] = [sorted(INDICATORS), [10_000, 1_000_000]]
    param_names: ClassVar[list[str]] = ["indicator", "n_bars"]
    unit = "ns"
    n_rounds = 11
    tiny: ClassVar[dict[str, Any]] = {"n_rounds": 1}
    tiny_params = ("regime", 500)

    def setup(self, name: str, n_bars: int) -> None:
        """Make the series; compile."""
        self.series = example_series(name, n_bars)
        self.call = INDICATORS[name].public
        self.call(*self.series)

    def track_ns_per_bar(self, name: str, n_bars: int) -> float:
        """Nanoseconds per bar."""
        n_calls = max(1, 200_000 // n_bars)
        call = repeated(lambda: self.call(*self.series), n_calls)
        return median_s(call, self.n_rounds) / n_calls / n_bars * 1e9


class FourTogether:
    """EMA, ATR, RSI and KAMA over 10,000 bars (to reach: 2 ms), and KAMA alone (1 ms)."""

    n_bars = 10_000
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 500}

    def setup(self) -> None:
        """Make the series; compile."""
        self.series = {name: example_series(name, self.n_bars) for name in ("ema", "atr", "rsi", "kama")}
        self.time_ema_atr_rsi_kama()

    def time_ema_atr_rsi_kama(self) -> None:
        """All four."""
        for name, series in self.series.items():
            INDICATORS[name].public(*series)

    def time_kama(self) -> None:
        """The adaptive average."""
        INDICATORS["kama"].public(*self.series["kama"])


class AgainstPlainPython:
    """Compiled against the same step as plain Python (to reach: 100 times as fast)."""

    unit = "times"
    n_bars = 20_000
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 300}

    def setup(self) -> None:
        """Make the series; compile."""
        self.close = example_series("ema", self.n_bars)[0]
        INDICATORS["ema"].public(self.close)

    def track_speed_up(self) -> float:
        """How many times as fast as a loop of the same sums over a list."""
        values = self.close.tolist()
        plain = seconds(lambda: plain_ema(values, 20))
        n_calls = 50
        return plain / (
            median_s(repeated(lambda: INDICATORS["ema"].public(self.close), n_calls), 5) / n_calls
        )


def plain_ema(values: list[float], lookback: int) -> list[float]:
    """Exponential average as a plain loop."""
    weight = 2.0 / (lookback + 1.0)
    average, out = 0.0, []
    for i, value in enumerate(values):
        if i < lookback:
            average += (value - average) / (i + 1)
        else:
            average += weight * (value - average)
        out.append(average if i >= lookback - 1 else float("nan"))
    return out
