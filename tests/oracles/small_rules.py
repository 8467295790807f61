"""Twins in plain Python of the strategies in tests/data/strategies, one class per file."""

import math
from collections.abc import Callable, Mapping

from fluxhero.tests.oracles.coarse_bars import Bar
from fluxhero.tests.oracles.dual_mode import DualMode
from fluxhero.tests.oracles.streaming_indicators import Atr, Ema, Previous, Sma
from fluxhero.tests.oracles.trading_records import Intent, Position, Rule


class SmaCrossTrail:
    timeframes: tuple[str, ...] = ()

    def __init__(self, params: Mapping[str, float]) -> None:
        self.p = params
        self.fast, self.slow = Sma(int(params["fast"])), Sma(int(params["slow"]))
        self.range = Atr(5)
        self.known = {"range": math.nan}

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        self.known = {
            "fast_mean": self.fast.add(bar.close),
            "slow_mean": self.slow.add(bar.close),
            "range": self.range.add(bar),
        }

    def features(self) -> dict[str, float]:
        return self.known

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        distance = self.p["stop_atr"] * x["range"]
        if position.qty > 0.0:
            if x["fast_mean"] < x["slow_mean"]:
                return Intent("leave", 2)
            return Intent("trail", 3, stop=bar.close - distance)
        if x["fast_mean"] > x["slow_mean"]:
            return Intent("enter", 1, stop_distance=distance, risk=self.p["risk"])
        return Intent()


class AlwaysIn:
    timeframes: tuple[str, ...] = ()

    def __init__(self, params: Mapping[str, float]) -> None:
        self.p = params

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        """It looks at nothing but the bar."""

    def features(self) -> dict[str, float]:
        return {}

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        p = self.p
        if position.qty > 0.0:
            if bar.close > position.entry_price * (1.0 + p["target"]):
                return Intent("leave", 2)
            if position.highest_high > position.entry_price * (1.0 + 0.5 * p["target"]):
                return Intent("trail", stop=position.entry_price)
        elif bar.close < bar.open * (1.0 - 2.0 * p["stop"]):
            if bar.volume > 1000.0:
                return Intent("leave", 3)
            return Intent("trail", 4, stop=bar.close)
        return Intent("enter", 1, stop_distance=p["stop"] * bar.close, risk=p["risk"], mode=7)


class DailyFilter:
    timeframes: tuple[str, ...] = ("1d",)

    def __init__(self, params: Mapping[str, float]) -> None:
        self.p = params
        self.daily_mean, self.daily_range = Sma(int(params["days"])), Atr(2)
        self.mean, self.before = Ema(int(params["lookback"])), Previous()
        names = ("daily_mean", "daily_range", "mean", "mean_before")
        self.known = dict.fromkeys(names, math.nan)

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        if timeframe == "1d":
            self.known["daily_mean"] = self.daily_mean.add(bar.close)
            self.known["daily_range"] = self.daily_range.add(bar)
        else:
            mean = self.mean.add(bar.close)
            self.known["mean"], self.known["mean_before"] = mean, self.before.add(mean)

    def features(self) -> dict[str, float]:
        return dict(self.known)

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        distance = self.p["stop_days"] * x["daily_range"]
        if position.qty > 0.0:
            if bar.close < x["daily_mean"] - distance:
                return Intent("leave", 2)
            return Intent("trail", stop=position.highest_high - distance)
        if bar.close > x["daily_mean"] and x["mean"] > x["mean_before"]:
            return Intent("enter", 1, stop_distance=distance, risk=self.p["risk"])
        return Intent()


class TwoClocks:
    timeframes: tuple[str, ...] = ("15m", "4h")

    def __init__(self, params: Mapping[str, float]) -> None:
        self.p = params
        self.short_mean, self.range = Sma(int(params["short"])), Atr(int(params["short"]))
        self.long_mean = Ema(int(params["long"]))
        self.known = dict.fromkeys(("short_mean", "long_mean", "range"), math.nan)

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        if timeframe == "15m":
            self.known["short_mean"] = self.short_mean.add(bar.close)
            self.known["range"] = self.range.add(bar)
        elif timeframe == "4h":
            self.known["long_mean"] = self.long_mean.add(bar.close)

    def features(self) -> dict[str, float]:
        return dict(self.known)

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        if position.qty > 0.0:
            return Intent("leave", 2) if x["short_mean"] < x["long_mean"] else Intent()
        if x["short_mean"] > x["long_mean"] and bar.close > bar.open:
            distance = self.p["stop"] * x["range"]
            return Intent("enter", 1, stop_distance=distance, risk=self.p["risk"])
        return Intent()


class Swing:
    timeframes: tuple[str, ...] = ()

    def __init__(self, params: Mapping[str, float]) -> None:
        self.p = params
        self.before = Previous()
        self.known = {"before": math.nan}

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        self.known = {"before": self.before.add(bar.close)}

    def features(self) -> dict[str, float]:
        return self.known

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        p = self.p
        buy = Intent("enter", 1, stop_distance=p["stop"] * bar.close, risk=p["risk"], mode=1)
        sell = Intent("enter_short", 2, stop_distance=p["stop"] * bar.close, risk=p["risk"], mode=2)
        if position.qty > 0.0:
            if bar.close > position.entry_price * (1.0 + p["target"]):
                return Intent("leave", 3)
            if bar.close < bar.open * (1.0 - 2.0 * p["stop"]):
                return sell
            return Intent("trail", stop=position.highest_high * (1.0 - p["trail"]))
        if position.qty < 0.0:
            if bar.close < position.entry_price * (1.0 - p["target"]):
                return Intent("leave", 4)
            if bar.close > bar.open * (1.0 + 2.0 * p["stop"]):
                return buy
            return Intent("trail", stop=position.lowest_low * (1.0 + p["trail"]))
        if bar.close == x["before"]:
            return Intent("trail", 5, stop=bar.close)
        return buy if bar.close > x["before"] else sell


class Scripted:
    """Sends one order of any kind when volume says so."""

    timeframes: tuple[str, ...] = ()

    def __init__(self, params: Mapping[str, float]) -> None:
        self.p = params

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        """It looks at nothing but the bar."""

    def features(self) -> dict[str, float]:
        return {}

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        p = self.p
        if bar.volume == 888.0:
            return Intent("leave", 2)
        if bar.volume != 777.0:
            return Intent()
        return Intent(
            "enter" if p["side"] >= 0.0 else "enter_short",
            1,
            stop_distance=p["stop"],
            risk=p["risk"],
            is_unprotected=p["stop"] == 0.0,
            limit=p["limit"] or None,
            trigger=p["trigger"] or None,
            target_distance=p["target"] or None,
            trailing_distance=p["trailing"] or None,
            is_day=p["day"] > 0.0,
        )


class Bracket:
    """Uses every word there is."""

    timeframes: tuple[str, ...] = ()

    def __init__(self, params: Mapping[str, float]) -> None:
        self.p = params
        self.before, self.mean = Previous(), Sma(int(params["lookback"]))
        self.known = {"before": math.nan, "mean": math.nan}

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        self.known = {"before": self.before.add(bar.close), "mean": self.mean.add(bar.close)}

    def features(self) -> dict[str, float]:
        return self.known

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        pick = bar.volume % 12.0
        if position.qty != 0.0:
            return self.hold_on(bar, position, pick)
        if position.resting != 0:
            if pick < self.p["patience"]:
                return Intent(reason=3)
            if pick >= 10.0:
                return Intent("leave", 3) if pick == 10.0 else Intent("cancel", 6)
        elif pick <= 1.0:
            return Intent("aim", 5, target=bar.close) if pick == 0.0 else Intent("cancel", 6)
        return self.enter(bar, x, pick)

    def hold_on(self, bar: Bar, position: Position, pick: float) -> Intent:
        p, side = self.p, 1.0 if position.qty > 0.0 else -1.0
        if pick == 0.0:
            return Intent("leave", 3)
        if pick <= 2.0:
            return Intent("trail", 4, stop=bar.close * (1.0 - side * p["stop"]))
        if pick == 3.0:
            return Intent("aim", 5, target=bar.close * (1.0 + side * p["target"]))
        if pick == 4.0 and position.target > 0.0:
            return Intent("aim", 5, target=position.target - side * 0.1 * p["target"] * bar.close)
        if pick == 5.0:
            return Intent("cancel", 6)
        if pick == 6.0:
            return Intent("enter", 1, stop_distance=p["stop"] * bar.close, risk=p["risk"], mode=1)
        return Intent()

    def enter(self, bar: Bar, x: dict[str, float], pick: float) -> Intent:
        p, kind = self.p, bar.volume // 12.0 % 8.0
        side = -1.0 if bar.close < x["mean"] and p["shorts"] > 0.0 else 1.0
        limits = {
            2.0: bar.close * (1.0 - side * p["offset"]),
            3.0: x["before"],
            6.0: bar.close * (1.0 + 1.5 * side * p["offset"]),
            7.0: x["before"],
        }
        return Intent(
            "enter" if side > 0.0 else "enter_short",
            1 if side > 0.0 else 2,
            mode=1 if side > 0.0 else 2,
            stop_distance=math.nan if kind == 1.0 else p["stop"] * bar.close,
            risk=p["risk"],
            limit=limits.get(kind),
            trigger=bar.close * (1.0 + side * p["offset"]) if kind >= 4.0 else None,
            target_distance=p["target"] * bar.close if p["target"] > 0.0 else None,
            trailing_distance=p["trailing"] * bar.close if p["trailing"] > 0.0 else None,
            is_day=pick % 3.0 == 0.0,
            is_unprotected=pick == 7.0,
            score=bar.volume % 5.0,
        )


class Ranked:
    """Buys what rose, the strongest first; sells short what fell, if allowed."""

    timeframes: tuple[str, ...] = ()

    def __init__(self, params: Mapping[str, float]) -> None:
        self.p = params
        self.before = Previous()
        self.known = {"before": math.nan}

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        self.known = {"before": self.before.add(bar.close)}

    def features(self) -> dict[str, float]:
        return self.known

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        p, rise = self.p, bar.close - x["before"]
        if position.qty != 0.0:
            turned = rise * position.qty < 0.0 and bar.volume % 3.0 == 0.0
            return Intent("leave", 3) if turned else Intent()
        if rise == 0.0 or (rise < 0.0 and p["shorts"] == 0.0):
            return Intent()
        return Intent(
            "enter" if rise > 0.0 else "enter_short",
            1 if rise > 0.0 else 2,
            mode=1 if rise > 0.0 else 2,
            stop_distance=p["stop"] * bar.close,
            risk=p["risk"],
            target_distance=p["target"] * bar.close if p["target"] > 0.0 else None,
            score=1.0 if p["ties"] > 0.0 else abs(rise / x["before"]),
        )


RULES: dict[str, Callable[[Mapping[str, float]], Rule]] = {
    "dual_mode": DualMode,
    "sma_cross_trail": SmaCrossTrail,
    "always_in": AlwaysIn,
    "daily_filter": DailyFilter,
    "two_clocks": TwoClocks,
    "swing": Swing,
    "scripted": Scripted,
    "bracket": Bracket,
    "ranked": Ranked,
}
