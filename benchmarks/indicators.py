"""Indicators: time per bar of each one in the registry, and against TA-Lib's C where it has the same.

Public functions on both sides, with their checks and the arrays they return.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fluxhero.kernels.registry import INDICATORS
from fluxhero.kernels.types import FloatArray

from .timing import calls_within, median_s, paired_ratio, repeated


def rivals() -> list[str]:
    """Indicators that TA-Lib has too.

    Where one pass of ours gives several values that TA-Lib computes one after the other (the directional
    indices beside the ADX), "adx_alone" is ours, all values, against its first only.
    """
    try:
        import talib  # noqa: F401

        from fluxhero.tests.oracles.indicators import FACTS
    except ImportError:
        return ["atr"]  # `setup` says why it is skipped
    return sorted([name for name, facts in FACTS.items() if facts.talib] + ["adx_alone", *OTHERS])


OTHERS: dict[str, Callable[..., Any]] = {  # that need what the real files of the tests do not have
    "accumulation_distribution": lambda ta, *bars: ta.AD(*bars),
    "correlation": lambda ta, x, y: ta.CORREL(x, y, 60),
    "mfi": lambda ta, *bars: ta.MFI(*bars, 14),
    "obv": lambda ta, *bars: ta.OBV(*bars),
}


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
        "alpha": rng.uniform(0.1, 0.6, n_bars),
        "y": rng.normal(size=n_bars),
        "period": rng.integers(5, 40, n_bars).astype(np.float64),
    }
    minutes = np.arange(n_bars)
    series["session_open"] = (19_724.0 + minutes // 390) * 86_400.0 + 34_200.0
    series["session_close"] = series["session_open"] + 23_400.0
    series["time"] = series["session_open"] + 60.0 * (minutes % 390 + 1)
    return [series.get(field, close) for field in INDICATORS[name].inputs]


def default_params(name: str) -> list[float]:
    """Parameters of an indicator, whole numbers as int."""
    params = INDICATORS[name].params
    return [int(param.default) if param.is_int else param.default for param in params]


def talib_call(name: str, series: list[FloatArray]) -> Callable[[], Any]:
    """TA-Lib's function on the same series with our default parameters."""
    import talib

    from fluxhero.tests.oracles.indicators import FACTS

    if name in OTHERS:
        return lambda: OTHERS[name](talib, *series)
    known = name.removesuffix("_alone")
    values = default_params(known)
    if name == "adx_alone":
        high, low, close = series
        return lambda: talib.ADX(high, low, close, int(values[0]))
    if name == "linear_regression":
        time = np.arange(series[0].size, dtype=np.float64)
        return lambda: (FACTS[known].talib(*series, *values), talib.CORREL(series[0], time, int(values[0])))
    return lambda: FACTS[known].talib(*series, *values)


class AgainstTalib:
    """Ratio of our time to TA-Lib's: below 1 we are faster."""

    params: ClassVar[list[Any]] = [rivals(), [10_000, 1_000_000]]
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


class TenThousandBars:
    """EMA, ATR, RSI and KAMA over 10,000 bars (to reach: 2 ms), and the adaptive averages (1 ms)."""

    n_bars = 10_000
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 500}

    def setup(self) -> None:
        """Make the series; compile."""
        names = ("ema", "atr", "rsi", "kama", "adaptive_ema")
        self.series = {name: example_series(name, self.n_bars) for name in names}
        self.time_ema_atr_rsi_kama()
        self.time_adaptive_ema()

    def time_ema_atr_rsi_kama(self) -> None:
        """All four."""
        for name in ("ema", "atr", "rsi", "kama"):
            INDICATORS[name].public(*self.series[name])

    def time_adaptive_ema(self) -> None:
        """The average whose length changes bar by bar."""
        INDICATORS["adaptive_ema"].public(*self.series["adaptive_ema"], max_period=40)

    def time_kama(self) -> None:
        """The adaptive average."""
        INDICATORS["kama"].public(*self.series["kama"])


class AgainstPlainPython:
    """Compiled against the plain Python of the tests' oracles (to reach: 100 times as fast)."""

    params: ClassVar[list[Any]] = [["atr", "ema", "kama"]]
    param_names: ClassVar[list[str]] = ["indicator"]
    unit = "times"
    n_bars = 50_000
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 300}
    tiny_params = ("kama",)

    def setup(self, name: str) -> None:
        """Make the series; compile."""
        self.series = example_series(name, self.n_bars)
        INDICATORS[name].public(*self.series)

    def track_speed_up(self, name: str) -> float:
        """How many times as fast as loops over lists."""
        from fluxhero.tests.oracles.indicators import FACTS

        lists, values = [series.tolist() for series in self.series], default_params(name)
        n_calls = 20
        compiled = repeated(lambda: INDICATORS[name].public(*self.series), n_calls)
        return median_s(lambda: FACTS[name].oracle(*lists, *values), 3) / (median_s(compiled, 5) / n_calls)
