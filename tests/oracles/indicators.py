"""Indicators in plain Python, written from their definitions: slow, obvious, one window at a time.

Each takes lists of floats (oldest first, no gaps) and parameters, and returns one list per output, as long as
the input, with NaN where there is no value yet. ``with_gaps`` adds the rule for bars that are not known.
"""

import itertools
import math
from collections.abc import Callable, Sequence

NAN = math.nan
Series = Sequence[float]
Outputs = tuple[list[float], ...]


def windows(values: Series, length: int) -> list[list[float] | None]:
    """Last `length` values at each bar, or None where there are not so many."""
    return [list(values[t + 1 - length : t + 1]) if t + 1 >= length else None for t in range(len(values))]


def sma_oracle(values: Series, lookback: int) -> Outputs:
    return ([NAN if w is None else math.fsum(w) / lookback for w in windows(values, lookback)],)


def ema_oracle(values: Series, lookback: int) -> Outputs:
    out = [NAN] * len(values)
    for t in range(lookback - 1, len(values)):
        if t == lookback - 1:
            out[t] = math.fsum(values[:lookback]) / lookback
        else:
            alpha = 2 / (lookback + 1)
            out[t] = alpha * values[t] + (1 - alpha) * out[t - 1]
    return (out,)


def wilder(values: Series, lookback: int) -> list[float]:
    """Wilder's smoothing: mean of the first values, then ``(previous * (n - 1) + new) / n``."""
    out = [NAN] * len(values)
    for t in range(lookback - 1, len(values)):
        if t == lookback - 1:
            out[t] = math.fsum(values[:lookback]) / lookback
        else:
            out[t] = (out[t - 1] * (lookback - 1) + values[t]) / lookback
    return out


def changes(values: Series) -> list[float]:
    return [after - before for before, after in itertools.pairwise(values)]


def rsi_oracle(close: Series, lookback: int) -> Outputs:
    gains = wilder([max(change, 0.0) for change in changes(close)], lookback)
    losses = wilder([max(-change, 0.0) for change in changes(close)], lookback)
    out = [NAN] if close else []
    for gain, loss in zip(gains, losses, strict=True):
        out.append(50.0 if gain + loss == 0 else 100 * gain / (gain + loss))
    return (out,)


def true_ranges(high: Series, low: Series, close: Series) -> list[float]:
    """Of every bar but the first."""
    return [
        max(high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1]))
        for t in range(1, len(close))
    ]


def atr_oracle(high: Series, low: Series, close: Series, lookback: int) -> Outputs:
    return ([NAN, *wilder(true_ranges(high, low, close), lookback)][: len(close)],)


def bollinger_oracle(values: Series, lookback: int, n_std: float) -> Outputs:
    middle, upper, lower = [], [], []
    for window in windows(values, lookback):
        if window is None:
            mean = deviation = NAN
        else:
            mean = window[0] + math.fsum(value - window[0] for value in window) / lookback
            deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in window) / lookback)
        middle.append(mean)
        upper.append(mean + n_std * deviation)
        lower.append(mean - n_std * deviation)
    return middle, upper, lower


def wilder_sums(values: Series, lookback: int) -> list[float]:
    """TA-Lib's start: a plain sum of ``lookback - 1`` values, then each takes 1/n of the sum away first."""
    out = [NAN] * len(values)
    total = math.fsum(values[: lookback - 1])
    for t in range(lookback - 1, len(values)):
        total = total - total / lookback + values[t]
        out[t] = total
    return out


def adx_oracle(high: Series, low: Series, close: Series, lookback: int) -> Outputs:
    plus_moves, minus_moves = [], []
    for t in range(1, len(close)):
        up, down = high[t] - high[t - 1], low[t - 1] - low[t]
        plus_moves.append(up if up > down and up > 0 else 0.0)
        minus_moves.append(down if down > up and down > 0 else 0.0)
    plus_sums, minus_sums = wilder_sums(plus_moves, lookback), wilder_sums(minus_moves, lookback)
    range_sums = wilder_sums(true_ranges(high, low, close), lookback)

    adx, plus_di, minus_di = ([NAN] * len(close) for _ in range(3))
    seed: list[float] = []
    for t in range(lookback, len(close)):
        plus, minus, ranges = plus_sums[t - 1], minus_sums[t - 1], range_sums[t - 1]
        plus_di[t], minus_di[t] = (100 * plus / ranges, 100 * minus / ranges) if ranges else (0.0, 0.0)
        index = 100 * abs(plus - minus) / (plus + minus) if plus + minus else None
        if len(seed) < lookback:
            seed.append(index or 0.0)
            if len(seed) == lookback:
                adx[t] = math.fsum(seed) / lookback
        elif index is None:
            adx[t] = adx[t - 1]
        else:
            adx[t] = (adx[t - 1] * (lookback - 1) + index) / lookback
    return adx, plus_di, minus_di


def efficiency_ratio_oracle(close: Series, lookback: int) -> Outputs:
    out = []
    for window in windows(close, lookback + 1):
        if window is None:
            out.append(NAN)
            continue
        path = math.fsum(abs(change) for change in changes(window))
        out.append(abs(window[-1] - window[0]) / path if path else 0.0)
    return (out,)


def kama_oracle(close: Series, lookback: int, fast: int, slow: int) -> Outputs:
    (ratios,) = efficiency_ratio_oracle(close, lookback)
    out = [NAN] * len(close)
    for t in range(lookback, len(close)):
        before = close[t - 1] if t == lookback else out[t - 1]
        fastest, slowest = 2 / (fast + 1), 2 / (slow + 1)
        smoothing = (ratios[t] * (fastest - slowest) + slowest) ** 2
        out[t] = before + smoothing * (close[t] - before)
    return (out,)


def linear_regression_oracle(values: Series, lookback: int) -> Outputs:
    slopes, r_squareds = [], []
    times = [t - (lookback - 1) / 2 for t in range(lookback)]
    for window in windows(values, lookback):
        if window is None:
            slopes.append(NAN)
            r_squareds.append(NAN)
            continue
        mean = window[0] + math.fsum(value - window[0] for value in window) / lookback
        deviations = [value - mean for value in window]
        slope = math.fsum(t * d for t, d in zip(times, deviations, strict=True)) / math.fsum(
            t * t for t in times
        )
        total = math.fsum(d * d for d in deviations)
        explained = slope**2 * math.fsum(t * t for t in times)
        slopes.append(slope)
        r_squareds.append(explained / total if max(window) > min(window) else 0.0)
    return slopes, r_squareds


def confirmed(raw: Series, confirm: int) -> Outputs:
    """The first raw state at once; another one when the last `confirm` raw states are that one."""
    states: list[float] = []
    ages: list[float] = []
    for t, seen in enumerate(raw):
        recent = raw[t + 1 - confirm : t + 1] if t + 1 >= confirm else []
        if t == 0 or (seen != states[-1] and recent and set(recent) == {seen}):
            states.append(seen)
            ages.append(1.0)
        else:
            states.append(states[-1])
            ages.append(ages[-1] + 1)
    return states, ages


def regime_oracle(
    adx: Series,
    r_squared: Series,
    trend_adx: float,
    trend_r2: float,
    reversion_adx: float,
    reversion_r2: float,
    confirm: int,
) -> Outputs:
    raw = []
    for strength, fit in zip(adx, r_squared, strict=True):
        trends = strength > trend_adx and fit > trend_r2
        reverts = strength < reversion_adx and fit < reversion_r2
        raw.append(1.0 if trends else 2.0 if reverts else 0.0)
    return confirmed(raw, confirm)


def volatility_regime_oracle(atr: Series, atr_mean: Series, high: float, low: float, confirm: int) -> Outputs:
    raw = []
    for now, usual in zip(atr, atr_mean, strict=True):
        raw.append(1.0 if now > high * usual else -1.0 if now < low * usual else 0.0)
    return confirmed(raw, confirm)


def previous_oracle(values: Series, bars: int) -> Outputs:
    return ([values[t - bars] if t >= bars else NAN for t in range(len(values))],)


ORACLES: dict[str, Callable[..., Outputs]] = {
    "adx": adx_oracle,
    "atr": atr_oracle,
    "bollinger": bollinger_oracle,
    "efficiency_ratio": efficiency_ratio_oracle,
    "ema": ema_oracle,
    "kama": kama_oracle,
    "linear_regression": linear_regression_oracle,
    "previous": previous_oracle,
    "regime": regime_oracle,
    "rsi": rsi_oracle,
    "sma": sma_oracle,
    "volatility_regime": volatility_regime_oracle,
}


def with_gaps(oracle: Callable[..., Outputs], inputs: Sequence[Series], params: Sequence[float]) -> Outputs:
    """Outputs where a bar with an unknown input is unknown, and as if it had never been for the others."""
    known = [
        t for t, bar in enumerate(zip(*inputs, strict=True)) if all(math.isfinite(value) for value in bar)
    ]
    compact = oracle(*[[series[t] for t in known] for series in inputs], *params)
    outputs = tuple([NAN] * len(inputs[0]) for _ in compact)
    for output, values in zip(outputs, compact, strict=True):
        for t, value in zip(known, values, strict=True):
            output[t] = value
    return outputs
