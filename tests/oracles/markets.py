"""Random markets as rows, made to be unpleasant: gaps, halts, absent rows, half sessions, wild prices.

Prices come from Python's own generator, so that a seed gives the same market everywhere. They are not
rounded to ticks unless asked: two indicators that round differently would fall out over a tie.
"""

import datetime as dt
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from fluxhero.engine.market import market_cube
from fluxhero.tests.oracles.coarse_bars import LENGTHS_NS, MINUTE_NS, Bar, Row

DAY_NS = 1440 * MINUTE_NS
EPOCH = dt.date(1970, 1, 1)
HALF_SESSION_NS = 210 * MINUTE_NS
SESSION_NS = 390 * MINUTE_NS


@dataclass(frozen=True)
class Weather:
    """How a market behaves; chances are per row unless said otherwise."""

    start_price: float = 100.0
    volatility: float = 0.004  # standard deviation of the log return of a bar
    drift: float = 0.0  # of the log price per bar, its sign changing with the phase
    phase_bars: int = 40  # mean length of a phase (up, down, sideways, flat)
    session_gap: float = 0.01  # standard deviation of the log move between sessions
    gap_chance: float = 0.0  # of a jump at an open
    gap_size: float = 0.05  # standard deviation of its log
    missing_chance: float = 0.0  # of a bar
    halt_chance: float = 0.0  # of the start of a halt
    halt_bars: int = 30  # longest halt
    absent_chance: float = 0.0  # of a row missing from the grid itself
    half_session_chance: float = 0.0  # of a session
    volume: float = 10_000.0
    tick: float = 0.0  # 0: prices are not rounded
    has_flat_phases: bool = False


def random_grid(
    seed: int, weather: Weather, *, timeframe: str, calendar: str = "XNYS", n_sessions: int = 5
) -> list[tuple[int, int]]:
    """(close, end of its session) of every row of a market; the last session is cut short at times."""
    rng = random.Random(f"grid {seed}")
    grid = [
        (ts_ns, close_ns)
        for open_ns, close_ns in _sessions(rng, weather, calendar, n_sessions)
        for ts_ns in _closes(open_ns, close_ns, timeframe)
    ]
    if rng.random() < 0.5:
        grid = grid[: len(grid) - rng.randrange(min(len(grid) // 4 + 1, 60))]
    return [row for row in grid if rng.random() >= weather.absent_chance] or grid


def random_rows(seed: int, weather: Weather, grid: Sequence[tuple[int, int]]) -> list[Row]:
    """Rows of one symbol on a grid."""
    rng = random.Random(f"rows {seed}")
    path = _Path(rng, weather)
    rows = []
    halted_bars = 0
    session = 0
    for ts_ns, close_ns in grid:
        if close_ns != session:
            session = close_ns
            path.jump(weather.session_gap)
        bar = path.next_bar()
        if not halted_bars and rng.random() < weather.halt_chance:
            halted_bars = rng.randint(1, weather.halt_bars)
        is_missing = halted_bars > 0 or rng.random() < weather.missing_chance
        halted_bars = max(halted_bars - 1, 0)
        rows.append(Row(ts_ns, close_ns, None if is_missing else bar))
    return rows


def rows_of_prices(
    quotes: Sequence[tuple[float, float, float, float, float] | None],
    *,
    timeframe: str = "1h",
    start: str = "2024-03-04",
) -> list[Row]:
    """Rows of a 24/7 market from given bars (None: no bar), one after the other from a midnight on."""
    midnight_ns = (dt.date.fromisoformat(start) - EPOCH).days * DAY_NS
    step = LENGTHS_NS[timeframe]
    rows = []
    for i, quote in enumerate(quotes):
        ts_ns = midnight_ns + (i + 1) * step
        rows.append(Row(ts_ns, -(-ts_ns // DAY_NS) * DAY_NS, None if quote is None else Bar(*quote)))
    return rows


def market_of(
    symbols: Sequence[Sequence[Row]],
    *,
    timeframe: str,
    calendar: str,
    lot_size: float = 1.0,
    tick_size: float = 0.01,
    asset_classes: Sequence[str] | None = None,
    sectors: Sequence[str] | None = None,
) -> xr.Dataset:
    """Market cube of several symbols that share one time grid; they are named S0, S1, ..."""
    grid = symbols[0]
    bars: dict[str, list[list[float]]] = {}
    for field in ("open", "high", "low", "close", "volume"):
        bars[field] = [
            [math.nan if row.bar is None else float(getattr(row.bar, field)) for row in rows]
            for rows in symbols
        ]
    close_ns = np.array([row.session_close_ns for row in grid], dtype=np.int64)
    market = market_cube(
        symbols=[f"S{i}" for i in range(len(symbols))],
        time=np.array([row.ts_ns for row in grid], dtype=np.int64),
        session=(close_ns - 1) // DAY_NS * DAY_NS,
        session_close=close_ns,
        bars=bars,
        timeframe=timeframe,
        calendar=calendar,
        source="random",
        generated=True,
        asset_class=asset_classes or ("crypto" if calendar == "24/7" else "equity"),
        tick_size=tick_size,
        lot_size=lot_size,
    )
    return market if sectors is None else market.assign_coords(sector=("symbol", list(sectors)))


def _sessions(rng: random.Random, weather: Weather, calendar: str, n_sessions: int) -> list[tuple[int, int]]:
    """(open, close) of consecutive sessions, from a random day on; New York's clock changes in between."""
    day = dt.date(2024, 1, 1) + dt.timedelta(days=rng.randrange(300))
    sessions: list[tuple[int, int]] = []
    while len(sessions) < n_sessions:
        midnight_ns = (day - EPOCH).days * DAY_NS
        if calendar == "24/7":
            sessions.append((midnight_ns, midnight_ns + DAY_NS))
        elif day.weekday() < 5:
            is_summer = dt.date(2024, 3, 10) <= day < dt.date(2024, 11, 3)
            open_ns = midnight_ns + (810 if is_summer else 870) * MINUTE_NS
            is_half = rng.random() < weather.half_session_chance
            sessions.append((open_ns, open_ns + (HALF_SESSION_NS if is_half else SESSION_NS)))
        day += dt.timedelta(days=1)
    return sessions


def _closes(open_ns: int, close_ns: int, timeframe: str) -> list[int]:
    if timeframe == "1d":
        return [close_ns]
    step = LENGTHS_NS[timeframe]
    inner = range((open_ns // step + 1) * step, close_ns, step)
    return [*inner, close_ns]


class _Path:
    """A log price that wanders in phases."""

    def __init__(self, rng: random.Random, weather: Weather) -> None:
        self.rng = rng
        self.weather = weather
        self.log_price = math.log(weather.start_price)
        self.sign = 0.0
        self.is_flat = False
        self.anchor = self.log_price

    def jump(self, size: float) -> None:
        self.log_price += self.rng.gauss(0.0, size)
        self.anchor = self.log_price

    def next_bar(self) -> Bar:
        rng, weather = self.rng, self.weather
        if rng.random() * weather.phase_bars < 1.0:
            self.sign = rng.choice((-1.0, 0.0, 1.0, 1.0))
            self.is_flat = weather.has_flat_phases and rng.random() < 0.3
            self.anchor = self.log_price
        if rng.random() < weather.gap_chance:
            self.jump(weather.gap_size)
        volume = float(round(weather.volume * rng.lognormvariate(0.0, 1.0)))
        if self.is_flat:
            price = self.rounded(math.exp(self.log_price))
            return Bar(price, price, price, price, volume)
        path = [self.log_price]
        for _ in range(4):
            pull = -0.1 * (self.log_price - self.anchor) if self.sign == 0.0 else 0.0
            self.log_price += self.sign * weather.drift / 4 + pull + rng.gauss(0.0, weather.volatility / 2)
            path.append(self.log_price)
        prices = [self.rounded(math.exp(value)) for value in path]
        return Bar(prices[0], max(prices), min(prices), prices[-1], volume)

    def rounded(self, price: float) -> float:
        tick = self.weather.tick
        return max(round(price / tick), 1) * tick if tick else price
