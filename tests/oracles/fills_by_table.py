"""Which price an order gets from a bar: the table of fills, in plain Python.

Everything is said for one who buys, or holds what he bought. For a seller the market is upside down: his
bars are `facing` him with prices negated, high and low changed over, and so are his limits and levels. To
negate is exact, so that both sides get the same answer to the bit.
"""

import hashlib
import math
from dataclasses import dataclass

from fluxhero.tests.oracles.coarse_bars import Bar
from fluxhero.tests.oracles.trading_settings import Execution

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15

# How a price came about: the bar opened there, fell to it, rose to it, or closed there.
OPEN, FALL, RISE, CLOSE = "open", "fall", "rise", "close"


@dataclass(frozen=True)
class Touch:
    """A price that an order gets, before slippage, and how the bar came there."""

    price: float
    way: str


def facing(bar: Bar, side: int) -> Bar:
    """The bar as one sees it who buys (+1) or sells (-1)."""
    if side > 0:
        return bar
    return Bar(-bar.open, -bar.low, -bar.high, -bar.close, bar.volume)


def limit_touch(bar: Bar, limit: float, execution: Execution) -> Touch | None:
    """Where a limit order to buy is filled."""
    if _is_below(bar.open, limit, execution):
        return Touch(limit if execution.limit_gap == "limit" else bar.open, OPEN)
    return Touch(limit, FALL) if _is_below(bar.low, limit, execution) else None


def stop_touch(bar: Bar, trigger: float) -> Touch | None:
    """Where a stop order to buy is filled."""
    if bar.open >= trigger:
        return Touch(bar.open, OPEN)
    return Touch(trigger, RISE) if bar.high >= trigger else None


def stop_limit_touch(bar: Bar, trigger: float, limit: float, execution: Execution) -> Touch | None:
    """Where a stop-limit order to buy is filled on a bar before which it was not triggered."""
    touch = stop_touch(bar, trigger)
    if touch is None or touch.price <= limit:
        return touch
    return Touch(limit, FALL) if _is_below(bar.low, limit, execution) else None  # opened above the limit


def exit_touch(
    bar: Bar, entry: Touch | None, stop: float, target: float, execution: Execution
) -> tuple[str, float] | None:
    """Which of stop and target (NaN: none) of something bought is filled, and its price; None: neither.

    `entry` is where it was bought on this bar; None: before.
    """
    way = OPEN if entry is None else entry.way
    if way == CLOSE:
        return None
    start = bar.open if entry is None or way == OPEN else entry.price
    if start <= stop:
        return "stop", start
    if way == OPEN and _is_above(bar.open, target, execution):
        return "target", target if execution.limit_gap == "limit" else bar.open
    first = _first_exit(bar, way, stop, target, execution)
    return None if first is None else (first, stop if first == "stop" else target)


def _first_exit(bar: Bar, way: str, stop: float, target: float, execution: Execution) -> str | None:
    """Whichever comes first after a buy that came about by `way`."""
    touches_stop, ends_at_stop = bar.low <= stop, bar.close <= stop
    touches_target = _is_above(bar.high, target, execution)
    ends_at_target = _is_above(bar.close, target, execution)
    if execution.intrabar == "path":
        for leg in _legs_after(bar, way):
            if (leg == "low" and touches_stop) or (leg == "close" and ends_at_stop):
                return "stop"
            if (leg == "high" and touches_target) or (leg == "close" and ends_at_target):
                return "target"
        return None
    # What the entry's own way makes certain, and what else would have to be seen in the close.
    is_stopped = touches_stop
    reaches_target = touches_target
    if execution.intrabar == "stop_first":
        if way == FALL:
            reaches_target = ends_at_target
        return "stop" if is_stopped else "target" if reaches_target else None
    if way == RISE:
        is_stopped = ends_at_stop
    return "target" if reaches_target else "stop" if is_stopped else None


def _legs_after(bar: Bar, way: str) -> tuple[str, ...]:
    """Ends of the legs that the price walks from the entry on, the entry's own leg included."""
    is_low_first = bar.open - bar.low <= bar.high - bar.open
    legs = ("low", "high", "close") if is_low_first else ("high", "low", "close")
    if way == OPEN:
        return legs
    return legs[legs.index("low" if way == FALL else "high") :]


def _is_below(price: float, limit: float, execution: Execution) -> bool:
    return price < limit or (execution.limit_fill == "touch" and price == limit)


def _is_above(price: float, limit: float, execution: Execution) -> bool:
    return price > limit or (execution.limit_fill == "touch" and price == limit)


def to_tick(price: float, execution: Execution) -> float:
    """The nearest tick, half way up, where prices of orders are rounded at all."""
    if not execution.tick_rounding or not math.isfinite(price):
        return price
    per_unit = round(1.0 / execution.tick_size)
    return math.floor(price * per_unit + 0.5) / per_unit


def misses_fills(symbol: str, ts_ns: int, execution: Execution) -> bool:
    """Whether the bar of a symbol that closes at `ts_ns` is one of those that miss fills."""
    if execution.missed_fills <= 0.0:
        return False
    key = int.from_bytes(hashlib.sha256(symbol.encode()).digest()[:8], "little")
    z = (((ts_ns & MASK) ^ (key * GOLDEN & MASK)) + GOLDEN) & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    z ^= z >> 31
    moved = (z >> 11) * 2.0**-53 + execution.seed * 0.6180339887498949
    return moved - math.floor(moved) < execution.missed_fills
