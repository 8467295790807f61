"""Volume: where it went, at what price, and whether it was unusual."""

import itertools

from .facts import NAN, PRICE, Facts, Outputs, Series, changes, total, windows
from .means import ema_oracle


def typical_prices(high: Series, low: Series, close: Series) -> list[float]:
    return [total(bar) / 3 for bar in zip(high, low, close, strict=True)]


def sign(value: float) -> int:
    return int(value > 0) - int(value < 0)


def mfi_oracle(high: Series, low: Series, close: Series, volume: Series, lookback: int) -> Outputs:
    typical = typical_prices(high, low, close)
    flows = []
    for before, price, traded in zip(typical, typical[1:], volume[1:], strict=False):
        is_same = abs(price - before) <= 2e-14 * before  # rounding of equal sums of cents
        flows.append(0.0 if is_same else sign(price - before) * price * traded)
    out = [NAN] if typical else []
    for window in windows(flows, lookback):
        if window is None:
            out.append(NAN)
            continue
        rising, whole = total(max(flow, 0.0) for flow in window), total(abs(flow) for flow in window)
        out.append(100 * rising / whole if whole else 50.0)
    return (out,)


def obv_oracle(close: Series, volume: Series) -> Outputs:
    signed = [sign(move) * traded for move, traded in zip(changes(close), volume[1:], strict=True)]
    return (list(itertools.accumulate([*volume[:1], *signed])),)


def vwap_oracle(high: Series, low: Series, close: Series, volume: Series, session_open: Series) -> Outputs:
    out: list[float] = []
    typical = typical_prices(high, low, close)
    start = 0
    for t in range(len(close)):
        if session_open[t] != session_open[t - 1]:
            start = t
        traded = total(volume[start : t + 1])
        value = total(p * v for p, v in zip(typical[start : t + 1], volume[start : t + 1], strict=True))
        out.append(value / traded if traded else typical[t])
    return (out,)


def rolling_vwap_oracle(high: Series, low: Series, close: Series, volume: Series, lookback: int) -> Outputs:
    out = []
    typical = typical_prices(high, low, close)
    for prices, traded in zip(windows(typical, lookback), windows(volume, lookback), strict=True):
        if prices is None or traded is None:
            out.append(NAN)
        elif total(traded) == 0:
            out.append(prices[-1])
        else:
            out.append(total(p * v for p, v in zip(prices, traded, strict=True)) / total(traded))
    return (out,)


def relative_volume_oracle(volume: Series, lookback: int) -> Outputs:
    out = [NAN] * len(volume)
    for t in range(lookback, len(volume)):
        mean = total(volume[t - lookback : t]) / lookback
        if mean:
            out[t] = volume[t] / mean
        else:
            out[t] = float(lookback) if volume[t] > 0 else 1.0
    return (out,)


def close_locations(high: Series, low: Series, close: Series) -> list[float]:
    return [
        ((c - lo) - (h - c)) / (h - lo) if h > lo else 0.0 for h, lo, c in zip(high, low, close, strict=True)
    ]


def accumulation_distribution_oracle(high: Series, low: Series, close: Series, volume: Series) -> Outputs:
    weighed = (w * v for w, v in zip(close_locations(high, low, close), volume, strict=True))
    return (list(itertools.accumulate(weighed)),)


def chaikin_money_flow_oracle(
    high: Series, low: Series, close: Series, volume: Series, lookback: int
) -> Outputs:
    out = []
    weights = close_locations(high, low, close)
    for window, traded in zip(windows(weights, lookback), windows(volume, lookback), strict=True):
        if window is None or traded is None:
            out.append(NAN)
        else:
            pressed = total(w * v for w, v in zip(window, traded, strict=True))
            out.append(pressed / total(traded) if total(traded) else 0.0)
    return (out,)


def force_index_oracle(close: Series, volume: Series, lookback: int) -> Outputs:
    forces = [move * traded for move, traded in zip(changes(close), volume[1:], strict=True)]
    return ([NAN] * min(1, len(close)) + ema_oracle(forces, lookback)[0],)


FACTS = {
    "accumulation_distribution": Facts(
        accumulation_distribution_oracle,
        [()],
        flat={"accumulation_distribution": 0.0},
        tail=0,
        crosses_zero=True,
    ),
    "chaikin_money_flow": Facts(
        chaikin_money_flow_oracle,
        [(1,), (2,), (20,)],
        flat={"chaikin_money_flow": 0.0},
        crosses_zero=True,
    ),
    "force_index": Facts(
        force_index_oracle, [(1,), (2,), (13,)], flat={"force_index": 0.0}, crosses_zero=True
    ),
    "mfi": Facts(mfi_oracle, [(1,), (2,), (14,)], flat={"mfi": 50.0}, crosses_zero=True),
    "obv": Facts(obv_oracle, [()], flat={"obv": PRICE}, tail=0, crosses_zero=True),  # volume = price there
    "relative_volume": Facts(relative_volume_oracle, [(1,), (2,), (20,)], flat={"relative_volume": 1.0}),
    "rolling_vwap": Facts(rolling_vwap_oracle, [(1,), (2,), (14,)], flat={"rolling_vwap": PRICE}),
    "vwap": Facts(vwap_oracle, [()], flat={"vwap": PRICE}),
}
