"""The table's `path`, walked: what an order gets where the price is followed in half steps through a bar."""

import math
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from fluxhero.tests.oracles.coarse_bars import Bar
from fluxhero.tests.oracles.event_loop import Costs, Execution, Intent, Position, Risk, run_event_loop
from fluxhero.tests.oracles.markets import rows_of_prices

STEP = 0.5  # levels are whole numbers, so that no level is stepped over


class SendFirst:
    """Sends one intent at the first bar."""

    timeframes: tuple[str, ...] = ()

    def __init__(self, intent: Intent) -> None:
        self.intent = intent

    def observe(self, timeframe: str | None, bar: Bar) -> None:
        """It looks at nothing but the bar."""

    def features(self) -> dict[str, float]:
        return {}

    def decide(self, bar: Bar, x: dict[str, float], position: Position) -> Intent:
        return self.intent if bar.volume == 1.0 else Intent()


def walk(bar: Bar) -> Iterator[float]:
    """Every price of a bar on its way to the nearer extreme, the other, and the close."""
    is_low_first = bar.open - bar.low <= bar.high - bar.open
    price = bar.open
    yield price
    for end in (bar.low, bar.high, bar.close) if is_low_first else (bar.high, bar.low, bar.close):
        while price != end:
            price += STEP if end > price else -STEP
            yield price


def walked_fills(bar: Bar, intent: Intent, *, is_through: bool) -> list[tuple[int, float]]:
    """(side, price) of the fills of a buy and of what it brings with it, on one bar."""
    beyond = STEP if is_through else 0.0
    fills: list[tuple[int, float]] = []
    limit = math.inf if intent.limit is None else intent.limit
    trigger = -math.inf if intent.trigger is None else intent.trigger
    stop = target = 0.0
    for i, price in enumerate(walk(bar)):
        if not fills:
            if price > limit - beyond or price < trigger:
                continue
            entry = limit if i > 0 and intent.limit is not None else price
            fills.append((1, entry))
            stop, target = entry - intent.stop_distance, entry + (intent.target_distance or 0.0)
        elif price <= stop:
            return [*fills, (-1, stop)]
        elif price >= target + beyond:
            return [*fills, (-1, target)]
    return fills


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    opened, one, other, closed = (float(draw(st.integers(92, 108))) for _ in range(4))
    return Bar(opened, max(opened, one, other, closed), min(opened, one, other, closed), closed, 2.0)


@given(
    bar=bars(),
    level=st.integers(95, 105).map(float),
    kind=st.sampled_from(("market", "limit", "stop")),
    stop=st.integers(1, 6).map(float),
    target=st.integers(1, 6).map(float),
    limit_fill=st.sampled_from(("through", "touch")),
)
def test_fills_of_a_bar_are_those_of_a_walk_along_its_path(bar, level, kind, stop, target, limit_fill):
    intent = Intent(
        "enter",
        1,
        stop_distance=stop,
        risk=0.001,
        limit=level if kind == "limit" else None,
        trigger=level if kind == "stop" else None,
        target_distance=target,
    )
    result = run_event_loop(
        rows_of_prices([(100.0, 100.0, 100.0, 100.0, 1.0), (bar.open, bar.high, bar.low, bar.close, 2.0)]),
        SendFirst(intent),
        timeframe="1h",
        decision_timeframe="1h",
        costs=Costs(),
        risk=Risk(1.0, 1.0),
        initial_cash=1e6,
        execution=Execution(intrabar="path", limit_fill=limit_fill),
    )
    found = [(fill.side, fill.price) for fill in result.fills]
    assert found == walked_fills(bar, intent, is_through=limit_fill == "through")
