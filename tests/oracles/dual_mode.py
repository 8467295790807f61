"""The dual mode strategy in plain Python, written from its description (SPEC 3.1)."""

import math
from collections.abc import Mapping

from fluxhero.tests.oracles.coarse_bars import Bar
from fluxhero.tests.oracles.streaming_indicators import (
    MEAN_REVERSION,
    STRONG_TREND,
    Adx,
    Atr,
    Bollinger,
    Kama,
    Previous,
    Regime,
    Rsi,
    RSquared,
)
from fluxhero.tests.oracles.trading_records import Intent, Position

TREND, REVERSION = 1, 2


class DualMode:
    """The rule with its features; `params` holds every parameter of the strategy."""

    timeframes: tuple[str, ...] = ()

    def __init__(self, params: Mapping[str, float]) -> None:
        self.p = p = dict(params)
        self.kama = Kama(int(p["kama_lookback"]))
        self.atr = Atr(int(p["atr_lookback"]))
        self.rsi = Rsi(int(p["rsi_lookback"]))
        self.bands = Bollinger(int(p["band_lookback"]), p["band_width"])
        self.adx = Adx(int(p["adx_lookback"]))
        self.r_squared = RSquared(int(p["regression_lookback"]))
        self.regime = Regime(
            p["trend_adx"], p["trend_r2"], p["reversion_adx"], p["reversion_r2"], int(p["confirm"])
        )
        self.before = {name: Previous() for name in ("close", "kama", "atr")}
        self.known: dict[str, float] = {"kama": math.nan}

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        assert timeframe is None
        kama, atr = self.kama.add(bar.close), self.atr.add(bar)
        lower, middle = self.bands.add(bar.close)
        self.known = {
            "kama": kama,
            "atr": atr,
            "previous_close": self.before["close"].add(bar.close),
            "previous_kama": self.before["kama"].add(kama),
            "previous_atr": self.before["atr"].add(atr),
            "rsi": self.rsi.add(bar.close),
            "lower_band": lower,
            "middle_band": middle,
            "regime": self.regime.add(self.adx.add(bar), self.r_squared.add(bar.close)),
        }

    def features(self) -> dict[str, float]:
        return self.known

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        if position.qty > 0.0 and position.mode == TREND:
            return self.hold_trend(bar, x, position)
        if position.qty > 0.0:
            return self.hold_reversion(bar, x)
        p = self.p
        band = x["kama"] + p["entry_atr"] * x["atr"]
        band_before = x["previous_kama"] + p["entry_atr"] * x["previous_atr"]
        if bar.close > band and x["previous_close"] <= band_before:
            if p["mode"] == 2:
                return Intent(reason=23)
            if x["regime"] != STRONG_TREND:
                return Intent(reason=21)
            distance = p["trail_atr"] * x["atr"]
            return Intent("enter", 1, stop_distance=distance, risk=p["trend_risk"], mode=TREND)
        if x["rsi"] < p["rsi_low"] and bar.low <= x["lower_band"]:
            if p["mode"] == 1:
                return Intent(reason=24)
            if x["regime"] != MEAN_REVERSION:
                return Intent(reason=22)
            distance = p["reversion_stop"] * bar.close
            return Intent("enter", 2, stop_distance=distance, risk=p["reversion_risk"], mode=REVERSION)
        return Intent()

    def hold_trend(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        if bar.close < x["kama"] - self.p["exit_atr"] * x["atr"]:
            return Intent("leave", 11)
        return Intent("trail", stop=position.highest_high - self.p["trail_atr"] * x["atr"])

    def hold_reversion(self, bar: Bar, x: dict[str, float]) -> Intent:
        if bar.close >= x["middle_band"]:
            return Intent("leave", 12)
        if x["rsi"] > self.p["rsi_high"]:
            return Intent("leave", 13)
        return Intent()
