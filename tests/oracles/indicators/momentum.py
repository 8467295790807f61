"""Strength and direction of movements."""

import talib

from fluxhero.kernels.types import FloatArray

from .facts import NAN, Facts, Outputs, Series, changes, total, true_ranges, wilder


def rsi_oracle(close: Series, lookback: int) -> Outputs:
    gains = wilder([max(change, 0.0) for change in changes(close)], lookback)
    losses = wilder([max(-change, 0.0) for change in changes(close)], lookback)
    out = [NAN] if close else []
    for gain, loss in zip(gains, losses, strict=True):
        out.append(50.0 if gain + loss == 0 else 100 * gain / (gain + loss))
    return (out,)


def wilder_sums(values: Series, lookback: int) -> list[float]:
    """TA-Lib's start: a plain sum of ``lookback - 1`` values, then each takes 1/n of the sum away first."""
    out = [NAN] * len(values)
    running = total(values[: lookback - 1])
    for t in range(lookback - 1, len(values)):
        running = running - running / lookback + values[t]
        out[t] = running
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
                adx[t] = total(seed) / lookback
        elif index is None:
            adx[t] = adx[t - 1]
        else:
            adx[t] = (adx[t - 1] * (lookback - 1) + index) / lookback
    return adx, plus_di, minus_di


def talib_adx(high: FloatArray, low: FloatArray, close: FloatArray, lookback: int) -> tuple[FloatArray, ...]:
    return (
        talib.ADX(high, low, close, lookback),
        talib.PLUS_DI(high, low, close, lookback),
        talib.MINUS_DI(high, low, close, lookback),
    )


FACTS = {
    "adx": Facts(
        adx_oracle,
        [(1,), (2,), (5,), (14,)],
        talib=talib_adx,
        talib_params=[(2,), (14,)],
        flat={"adx": 0.0, "plus_di": 0.0, "minus_di": 0.0},
    ),
    "rsi": Facts(
        rsi_oracle,
        [(1,), (2,), (14,)],
        talib=lambda close, lookback: (talib.RSI(close, lookback),),
        talib_params=[(2,), (14,)],
        flat={"rsi": 50.0},
    ),
}
