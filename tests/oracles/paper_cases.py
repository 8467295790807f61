"""Markets and rules that make paper trading hard, each with a proof that what it is about happened."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from fluxhero.engine.run import Run
from fluxhero.engine.strategy import Strategy, load_strategy
from fluxhero.tests.oracles.markets import Weather, market_of, random_grid, random_rows

FILES = Path(__file__).parents[1] / "data" / "strategies"

ALL_IN = {"max_position": 1.0, "max_deployed": 1.0, "cash_rate": 0.04, "risk_free_rate": 0.04}
PER_ORDER = {"base": "zero", "commission_per_order": 1.0}
TIGHT = {"stop": 0.003, "target": 0.01}

# Short lookbacks and wide gates: many trades of both modes in a few sessions.
EAGER = {
    "kama_lookback": 4,
    "atr_lookback": 3,
    "entry_atr": 0.2,
    "regression_lookback": 8,
    "adx_lookback": 3,
    "rsi_lookback": 4,
    "rsi_low": 45.0,
    "rsi_high": 60.0,
    "band_lookback": 6,
    "band_width": 1.0,
    "trend_adx": 20.0,
    "trend_r2": 0.31,
    "reversion_adx": 20.0,
    "reversion_r2": 0.31,
    "confirm": 2,
}


@dataclass(frozen=True)
class PaperCase:
    """A rule, its conditions, and a market of some symbols."""

    strategy: str = "always_in"
    params: Mapping[str, float] = field(default_factory=dict)
    weather: Weather = field(default_factory=Weather)
    timeframe: str = "1m"
    decision_timeframe: str = "15m"
    calendar: str = "XNYS"
    n_sessions: int = 3
    n_symbols: int = 2
    lot_size: float = 1.0
    seed: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    happened: Callable[[Run], bool] = lambda run: len(run.trades) >= 5

    def loaded(self) -> Strategy:
        """The strategy: ours by name, the small ones by file."""
        path = FILES / f"{self.strategy}.py"
        return load_strategy(path if path.exists() else self.strategy)

    def market(self) -> xr.Dataset:
        grid = random_grid(
            self.seed,
            self.weather,
            timeframe=self.timeframe,
            calendar=self.calendar,
            n_sessions=self.n_sessions,
        )
        symbols = [random_rows(self.seed + 1000 * i, self.weather, grid) for i in range(self.n_symbols)]
        return market_of(symbols, timeframe=self.timeframe, calendar=self.calendar, lot_size=self.lot_size)

    def conditions(self) -> dict[str, Any]:
        return {
            "params": dict(self.params),
            "decision_timeframe": self.decision_timeframe,
            **self.settings,
        }


def _orders(run: Run, words: str) -> int:
    return sum(outcome.startswith(words) for outcome in run.orders["outcome"])


def _outcomes(run: Run, words: str) -> int:
    return sum(outcome.startswith(words) for outcome in run.decisions["outcome"])


def _stops(run: Run) -> int:
    return int((run.fills["kind"] == "stop").sum())


def _stopped_at_entry(run: Run) -> int:
    trades = run.trades
    return int((trades["entry_time"] == trades["exit_time"]).sum())


def _shorts(run: Run) -> int:
    return int((run.trades["side"] < 0).sum())


def _cut(run: Run) -> int:
    return sum("cash" in outcome for outcome in run.orders["outcome"])


PAPER_CASES = {
    "both modes of dual mode": PaperCase(
        "dual_mode", EAGER, Weather(drift=0.002), n_sessions=6, happened=lambda run: len(run.trades) >= 10
    ),
    "stopped out all the time, on every bar": PaperCase(
        params=TIGHT,
        weather=Weather(gap_chance=0.05),
        decision_timeframe="1m",
        happened=lambda run: _stops(run) >= 50 and _stopped_at_entry(run) >= 5,
    ),
    "stopped out all the time, a delay of a minute": PaperCase(
        params=TIGHT, weather=Weather(), happened=lambda run: _stops(run) >= 20
    ),
    "no delay": PaperCase(params=TIGHT, settings={"delay_s": 0.0}, happened=lambda run: _stops(run) >= 20),
    "a delay of some minutes": PaperCase(
        params={"stop": 0.004, "target": 0.002},
        settings={"delay_s": 600.0},
        n_sessions=8,
        happened=lambda run: _orders(run, "cancelled: stopped out") >= 1,
    ),
    "missing bars": PaperCase("sma_cross_trail", weather=Weather(missing_chance=0.4), n_sessions=6),
    "halts across decisions": PaperCase(
        "sma_cross_trail",
        weather=Weather(halt_chance=0.03, halt_bars=60),
        n_sessions=12,
        seed=3,
        happened=lambda run: _outcomes(run, "waiting: an order") >= 1,
    ),
    "rows absent from the grid": PaperCase(
        "sma_cross_trail", weather=Weather(absent_chance=0.3), n_sessions=8
    ),
    "half sessions": PaperCase("sma_cross_trail", weather=Weather(half_session_chance=0.5), n_sessions=8),
    "orders cut by cash": PaperCase(
        params={"stop": 0.003, "risk": 1.0},
        settings={"risk": ALL_IN, "costs": "crypto"},
        happened=lambda run: _cut(run) >= 10,
    ),
    "orders dropped for want of cash": PaperCase(
        params={"stop": 0.01, "risk": 1.0},
        settings={"risk": ALL_IN, "costs": PER_ORDER, "initial_cash": 105.0},
        happened=lambda run: _orders(run, "rejected") >= 5,
    ),
    "a share that nobody can buy": PaperCase(
        weather=Weather(start_price=750_000.0),
        happened=lambda run: _outcomes(run, "denied: size") >= 20,
    ),
    "orders that move the market": PaperCase(
        params=TIGHT, weather=Weather(volume=300.0), happened=lambda run: len(run.trades) >= 10
    ),
    "coins in fractions": PaperCase(
        params={"stop": 0.004, "risk": 0.01},
        weather=Weather(start_price=43_000.0),
        calendar="24/7",
        lot_size=1e-8,
        n_sessions=2,
        happened=lambda run: bool((run.fills["qty"] % 1.0 != 0.0).any()) and _stops(run) >= 5,
    ),
    "both ways, stops and targets": PaperCase(
        "swing",
        {"stop": 0.004, "target": 0.006},
        weather=Weather(gap_chance=0.02),
        settings={"delay_s": 300.0},
        happened=lambda run: (
            _shorts(run) >= 10 and _stops(run) >= 10 and _outcomes(run, "denied: a pos") >= 1
        ),
    ),
    "both ways on every bar, stopped at entry too": PaperCase(
        "swing",
        TIGHT,
        Weather(missing_chance=0.1),
        decision_timeframe="1m",
        happened=lambda run: _shorts(run) >= 50 and _stopped_at_entry(run) >= 5,
    ),
    "both ways over nights, all in, dear to borrow": PaperCase(
        "swing",
        {"stop": 0.1, "risk": 1.0},
        Weather(volatility=0.01, half_session_chance=0.3),
        timeframe="30m",
        decision_timeframe="1h",
        n_sessions=60,
        settings={"risk": ALL_IN, "costs": {"base": "crypto", "borrow_rate": 0.5}},
        happened=lambda run: _shorts(run) >= 5 and _cut(run) >= 3,
    ),
    "daily bars, half days among them": PaperCase(
        params={"stop": 0.02},
        timeframe="1d",
        decision_timeframe="1d",
        n_sessions=150,
        weather=Weather(volatility=0.01, half_session_chance=0.3),
    ),
    "4-hour bars that the session cuts short": PaperCase(
        params={"stop": 0.02},
        timeframe="4h",
        decision_timeframe="4h",
        n_sessions=60,
        weather=Weather(volatility=0.01, half_session_chance=0.3),
    ),
}

# Much happens in little time: fills, stops, moved stops, orders that wait and are voided.
BUSY = PaperCase(params={"stop": 0.004, "target": 0.002}, settings={"delay_s": 300.0})
