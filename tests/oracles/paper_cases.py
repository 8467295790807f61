"""Markets and rules that make paper trading hard, each with a proof that what it is about happened."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import xarray as xr

from fluxhero.engine.run import Run
from fluxhero.engine.strategy import Strategy, load_strategy
from fluxhero.tests.oracles.markets import Weather, market_of, random_grid, random_rows

FILES = Path(__file__).parents[1] / "data" / "strategies"

ALL_IN = {"max_position": 1.0, "max_deployed": 1.0, "cash_rate": 0.04, "risk_free_rate": 0.04}
PER_ORDER = {"base": "zero", "commission_per_order": 1.0}
# Every word but `unprotected`, which is not traded live.
BRACKET = {"stop": 0.01, "target": 0.008, "offset": 0.002}
TRAILING = {"stop": 0.01, "target": 0.0, "trailing": 0.006, "offset": 0.002}
HALTS = {"base": "retail", "daily_loss": 0.001, "drawdown_halt": 0.004, "drawdown_reduce": 0.002}
EVERY_KIND = {"market", "limit", "stop entry", "stop limit", "stop", "target"}
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
        if self.strategy == "bracket":
            return load_strategy(_protected_bracket())
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


@cache
def _protected_bracket() -> Path:
    """The rule that uses every word, without the one that is refused."""
    text = (FILES / "bracket.py").read_text()
    for old, new in (("    unprotected,\n", ""), ("entry = unprotected(entry)", "return entry")):
        assert old in text
        text = text.replace(old, new)
    path = Path(tempfile.mkdtemp(prefix="fluxhero-")) / "bracket.py"
    path.write_text(text)
    return path


def bracket(params: Mapping[str, float] = BRACKET, **more: Any) -> PaperCase:
    """Five-minute bars, every one decided on by the rule of many words."""
    values: dict[str, Any] = {"timeframe": "5m", "decision_timeframe": "5m", "n_sessions": 6, "seed": 3}
    settings = {"settings": more.pop("settings", {})}
    return PaperCase("bracket", params, **(values | more | settings))


def _kinds(run: Run) -> set[str]:
    return set(run.fills["kind"])


def _reasons(run: Run, reason: str) -> int:
    return int((run.fills["reason"] == reason).sum())


def _in_parts(run: Run) -> int:
    return int((run.fills["client_order_id"].value_counts() > 1).sum())


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
    "days that end with a loss": PaperCase(
        "swing",
        {"stop": 0.004, "target": 0.006},
        n_sessions=6,
        decision_timeframe="5m",
        settings={"risk": {"base": "retail", "daily_loss": 0.001}, "delay_s": 240.0},
        happened=lambda run: (
            _reasons(run, "daily loss limit") >= 5 and _outcomes(run, "denied: trading is halted") >= 20
        ),
    ),
    "a drawdown that ends it all": PaperCase(
        "swing",
        {"stop": 0.004, "target": 0.006},
        n_sessions=6,
        decision_timeframe="5m",
        settings={"risk": HALTS | {"daily_loss": None}},
        happened=lambda run: (
            _reasons(run, "drawdown limit") >= 1 and _outcomes(run, "denied: trading is halted") >= 500
        ),
    ),
    "every kind of order": bracket(
        settings={"risk": {"base": "retail", "daily_loss": None}},
        happened=lambda run: (
            _kinds(run) == EVERY_KIND
            and _orders(run, "replaced") >= 5
            and _orders(run, "cancelled") >= 5
            and _outcomes(run, "denied: prices") >= 1
        ),
    ),
    "targets first, and limits that a touch fills": bracket(
        settings={"execution": {"intrabar": "target_first", "limit_fill": "touch"}},
        weather=Weather(missing_chance=0.1),
        happened=lambda run: _kinds(run) == EVERY_KIND,
    ),
    "fills at the close": bracket(
        settings={"execution": {"timing": "close", "intrabar": "path"}},
        happened=lambda run: _kinds(run) == EVERY_KIND,
    ),
    "orders that let bars pass": bracket(
        settings={"execution": {"delay_bars": 2, "limit_gap": "limit"}},
        happened=lambda run: _outcomes(run, "waiting: an order") >= 10,
    ),
    "trailing stops and missed fills": bracket(
        TRAILING,
        settings={"execution": {"missed_fills": 0.3, "seed": 5}},
        happened=lambda run: _stops(run) >= 20 and _orders(run, "missed") >= 5,
    ),
    "prices on ticks": bracket(
        settings={"execution": {"tick_rounding": True}}, happened=lambda run: _kinds(run) == EVERY_KIND
    ),
    "orders for the day": bracket(
        BRACKET | {"offset": 0.01, "patience": 10.0},
        timeframe="1h",
        decision_timeframe="1h",
        n_sessions=60,
        weather=Weather(half_session_chance=0.3, absent_chance=0.1),
        happened=lambda run: _orders(run, "expired") >= 5,
    ),
    "fills in parts": bracket(
        weather=Weather(volume=200.0),
        settings={"execution": {"participation": 0.2}},
        happened=lambda run: _in_parts(run) >= 50 and _kinds(run) == EVERY_KIND,
    ),
    "fills in parts at the close, with limits on losses": bracket(
        weather=Weather(volume=200.0),
        seed=2,
        settings={
            "execution": {"participation": 0.1, "timing": "close", "delay_bars": 1, "missed_fills": 0.1},
            "risk": HALTS | {"drawdown_halt": 0.002, "drawdown_reduce": 0.001, "halt_sessions": 1},
        },
        happened=lambda run: _in_parts(run) >= 20 and _reasons(run, "drawdown limit") >= 1,
    ),
    "fills in parts between decisions": bracket(
        timeframe="1m",
        decision_timeframe="15m",
        weather=Weather(volume=100.0, missing_chance=0.2, halt_chance=0.01, halt_bars=20, absent_chance=0.05),
        settings={"execution": {"participation": 0.3}, "delay_s": 120.0},
        happened=lambda run: _in_parts(run) >= 20,
    ),
    "coins in parts": bracket(
        weather=Weather(volume=200.0),
        calendar="24/7",
        lot_size=1e-3,
        n_sessions=4,
        settings={"execution": {"participation": 0.2}},
        happened=lambda run: _in_parts(run) >= 50,
    ),
    "one account for all": PaperCase(
        params=TIGHT, n_symbols=3, settings={"account": "shared"}, happened=lambda run: _stops(run) >= 20
    ),
    "one account, the strongest first": PaperCase(
        "ranked",
        {"shorts": 1.0},
        Weather(missing_chance=0.1),
        timeframe="5m",
        decision_timeframe="5m",
        n_symbols=4,
        n_sessions=6,
        settings={
            "account": "shared",
            "risk": {"base": "retail", "daily_loss": 0.003, "drawdown_halt": 0.02, "drawdown_reduce": 0.01},
            "costs": {"base": "us_equity", "borrow_rate": 0.5},
        },
        happened=lambda run: (
            _shorts(run) >= 5 and _outcomes(run, "denied: trading is halted") >= 20 and len(run.trades) >= 20
        ),
    ),
    "one account, every kind of order, in parts": bracket(
        weather=Weather(volume=200.0, missing_chance=0.1),
        n_symbols=3,
        settings={"account": "shared", "execution": {"participation": 0.2, "timing": "close"}},
        happened=lambda run: _in_parts(run) >= 20 and _kinds(run) == EVERY_KIND,
    ),
}

# Much happens in little time: fills, stops, moved stops, orders that wait and are voided.
BUSY = PaperCase(params={"stop": 0.004, "target": 0.002}, settings={"delay_s": 300.0})

# The same where everything happens: fills in parts, targets, halts, one account.
BUSIEST = bracket(
    weather=Weather(volume=200.0, missing_chance=0.1),
    n_sessions=2,
    seed=3,
    settings={
        "account": "shared",
        "execution": {"participation": 0.2},
        "risk": {"base": "retail", "daily_loss": 0.005},
    },
    happened=lambda run: _in_parts(run) >= 20 and _reasons(run, "daily loss limit") >= 2,
)
