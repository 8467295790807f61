"""The risk report: by hand on small markets, and equal for a run and a stream of the same bars."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import fluxhero as fx
from fluxhero.engine.account_history import run_history
from fluxhero.engine.config import Costs, Risk
from fluxhero.engine.errors import DataError, ParameterError
from fluxhero.engine.market import symbol_bars
from fluxhero.engine.risk_report import AccountRisk, RiskReport
from fluxhero.engine.run import Run

RULES = Path(__file__).resolve().parents[1] / "data" / "strategies"
FREE = Costs(commission_per_share=0.0, slippage=0.0, impact=0.0)
OPEN = Risk(max_position=1.0, max_deployed=1.0, cash_rate=0.0, risk_free_rate=0.0)
ENTER, SHORT, LEAVE, TRAIL, QUIET = 777.0, 444.0, 888.0, 999.0, 1.0
MINUTE = 60_000_000_000
START = 28_400_040 * MINUTE  # on the hour


def at(price: float, word: float = QUIET) -> tuple[float, ...]:
    """A bar of one price."""
    return (price, price, price, price, word)


def market(*symbols: list[tuple[float, ...]], **settings: Any) -> xr.Dataset:
    """Minutes of S0, S1, ...; None in a row: no bar."""
    table = np.array([[row if len(row) == 5 else [np.nan] * 5 for row in rows] for rows in symbols])
    names = [f"S{i}" for i in range(len(symbols))]
    time = START + MINUTE * np.arange(1, table.shape[1] + 1)
    fields = [table[:, :, i] for i in range(5)]
    return fx.from_arrays(names, time, *fields, timeframe="1m", lot_size=1.0, **settings)


def run(*symbols: list[tuple[float, ...]], **settings: Any) -> Run:
    rule = settings.pop("rule", "by_volume")
    given = {"costs": FREE, "risk": OPEN} | settings
    return fx.backtest(RULES / f"{rule}.py", market(*symbols), **given)


def only_account(report: RiskReport) -> AccountRisk:
    (account,) = report.accounts
    return account


def limits(report: RiskReport) -> dict[str, tuple[float, float, float, str]]:
    return {one.name: (one.used, one.allowed, one.left, one.by) for one in only_account(report).limits}


def test_a_long_position_by_hand() -> None:
    """500 shares at 50 with a stop at 48, now at 52: four dollars each are at risk."""
    found = only_account(fx.risk_report(run([at(50.0, ENTER), at(50.0), at(52.0)])))
    (one,) = found.positions
    assert (one.symbol, one.qty, one.price, one.value, one.stop) == ("S0", 500.0, 52.0, 26_000.0, 48.0)
    assert one.share == 26_000.0 / 101_000.0
    assert one.stop_distance == 4.0 / 52.0
    assert (one.risk, one.risk_share) == (2_000.0, 2_000.0 / 101_000.0)
    assert (found.equity, found.cash, found.peak_equity) == (101_000.0, 75_000.0, 101_000.0)
    assert found.gross_exposure == found.net_exposure == found.deployed == one.share
    assert (found.open_risk, found.worst_case, found.largest_position) == (2_000.0, 2_000.0, "S0")


def test_a_short_position_by_hand() -> None:
    found = only_account(fx.risk_report(run([at(50.0, SHORT), at(50.0), at(49.0)])))
    (one,) = found.positions
    assert (one.qty, one.value, one.stop) == (-500.0, -24_500.0, 52.0)
    assert one.risk == 500.0 * 3.0
    assert found.equity == 100_500.0
    assert found.gross_exposure == -found.net_exposure == 24_500.0 / 100_500.0


def test_the_worst_case_pays_the_exits() -> None:
    """500 shares stopped at 48: slippage of 1%, a cent a share, two dollars an order."""
    costs = Costs(commission_per_share=0.01, commission_per_order=2.0, slippage=0.01, impact=0.0)
    rows = [at(50.0, ENTER), at(50.0), at(52.0)]
    found = only_account(fx.risk_report(run(rows, costs=costs)))
    (one,) = found.positions
    way = one.qty * (52.0 - one.stop)
    paid = one.qty * one.stop * 0.01 + one.qty * 0.01 + 2.0
    assert one.worst_case == pytest.approx(way + paid)
    assert found.worst_case_share == pytest.approx((way + paid) / found.equity)
    fell = [at(50.0, ENTER), at(50.0), at(52.0), (52.0, 52.0, 47.0, 47.0, QUIET)]
    after = run(fell, costs=costs)
    assert found.equity - float(after.equity[0, -1]) == pytest.approx(found.worst_case)


def test_dearer_trading_makes_the_worst_case_worse() -> None:
    rows = [at(50.0, ENTER), at(50.0)]
    one = only_account(fx.risk_report(run(rows, costs="us_equity")))
    two = only_account(fx.risk_report(run(rows, costs="us_equity", execution={"cost_multiple": 2.0})))
    paid = [account.worst_case - account.open_risk for account in (one, two)]
    assert paid[1] == pytest.approx(2.0 * paid[0], rel=1e-3)


def test_without_a_stop_all_of_the_value_is_at_risk() -> None:
    risk = Risk(sizing="fraction", fraction=0.1, cash_rate=0.0)
    found = only_account(fx.risk_report(run([at(50.0, ENTER), at(50.0)], rule="scripted", risk=risk)))
    (one,) = found.positions
    assert np.isnan(one.stop)
    assert np.isnan(one.stop_distance)
    assert one.risk == one.worst_case == one.value == 10_000.0


def test_drawdown_now_and_worst() -> None:
    found = run([at(50.0, ENTER), at(60.0), at(59.0), at(59.5)], params={"distance": 20.0})
    account = only_account(fx.risk_report(found))
    assert account.peak_equity == 100_000.0
    assert account.drawdown == pytest.approx(-0.5 * 50 / 100_000.0)
    assert account.worst_drawdown == pytest.approx(-50.0 / 100_000.0)
    assert account.worst_drawdown == pytest.approx(float(found.metrics["max_drawdown"][0]))


def test_an_earlier_moment_knows_nothing_of_what_came_later() -> None:
    rows = [at(50.0), at(50.0, ENTER), at(50.0), at(52.0, LEAVE), at(52.0), at(40.0)]
    whole = run(rows)
    times = whole.market["time"].values
    for row in range(2, len(rows)):
        cut = fx.risk_report(run(rows[: row + 1]))
        assert fx.risk_report(whole, times[row]).to_dict() == cut.to_dict()


def test_an_entry_that_waits_is_deployed_but_no_position() -> None:
    for found in (run([at(50.0, ENTER)]), run([at(50.0, ENTER), at(50.0)])):
        report = fx.risk_report(found, found.market["time"].values[0])
        account = only_account(report)
        assert account.positions == ()
        assert account.gross_exposure == 0.0
        assert account.deployed == 0.25
        assert limits(report)["max_position"] == (0.25, 1.0, 0.75, "S0")


def test_the_distance_to_every_limit() -> None:
    risk = Risk(
        max_stop=0.1,
        max_trades=3,
        max_position=0.5,
        max_positions=4,
        max_open_risk=0.05,
        max_deployed=0.8,
        drawdown_reduce=0.1,
        drawdown_halt=0.2,
        daily_loss=0.03,
        cash_rate=0.0,
    )
    found = run([at(50.0, ENTER), at(50.0), at(49.0)], risk=risk)
    equity, value = 99_500.0, 24_500.0
    expected = {
        "max_stop": (1.0 / 49.0, 0.1, "S0"),
        "max_trades": (1.0, 3.0, "S0"),
        "max_position": (value / equity, 0.5, "S0"),
        "max_positions": (1.0, 4.0, ""),
        "max_open_risk": (500.0 / equity, 0.05, ""),
        "max_deployed": (value / equity, 0.8, ""),
        "drawdown_reduce": (0.005, 0.1, ""),
        "drawdown_halt": (0.005, 0.2, ""),
        "daily_loss": (0.005, 0.03, ""),
    }
    told = limits(fx.risk_report(found))
    assert list(told) == list(expected)
    for name, (used, allowed, by) in expected.items():
        assert told[name] == pytest.approx((used, allowed, allowed - used, by)), name


def test_classes_and_sectors_of_a_shared_account() -> None:
    bars = market([at(50.0, ENTER), at(50.0)], [at(50.0, ENTER), at(50.0)], asset_class=["crypto", "equity"])
    bars = bars.assign_coords(sector=("symbol", np.array(["tech", "tech"], dtype=object)))
    risk = Risk(max_position=0.2, max_crypto=0.3, max_sector=0.5, max_deployed=1.0, cash_rate=0.0)
    found = fx.backtest(RULES / "by_volume.py", bars, account="shared", costs=FREE, risk=risk)
    told = limits(fx.risk_report(found))
    assert told["max_crypto"] == (0.2, 0.3, pytest.approx(0.1), "")
    assert told["max_sector"] == (0.4, 0.5, pytest.approx(0.1), "tech")


def test_own_accounts_are_told_one_by_one_and_a_shared_one_once() -> None:
    rows = [at(50.0, ENTER), at(50.0)], [at(20.0, ENTER), at(20.0)]
    own, shared = (fx.risk_report(run(*rows, account=account)) for account in ("own", "shared"))
    assert [account.name for account in own.accounts] == ["S0", "S1"]
    assert [len(account.positions) for account in own.accounts] == [1, 1]
    both = only_account(shared)
    assert (both.name, len(both.positions), both.cash) == ("account", 2, 65_000.0)
    assert shared.held == ("S0", "S1")


def test_a_halt_is_told_while_it_lasts() -> None:
    risk = Risk(max_position=1.0, max_deployed=1.0, daily_loss=0.005, cash_rate=0.0)
    rows = [at(50.0, ENTER), at(50.0), at(48.5), at(48.5)]
    found = run(rows, risk=risk)
    assert fx.risk_report(found).halts == {"S0": "daily loss limit"}
    assert fx.risk_report(found, found.market["time"].values[1]).halts == {}


@pytest.mark.parametrize("account", ["own", "shared"])
def test_one_bar_and_no_trade_is_defined(account: str) -> None:
    report = fx.risk_report(run([at(50.0)], account=account, risk="retail"))
    found = only_account(report)
    assert found.positions == ()
    assert found.largest_position == ""
    assert (found.drawdown, found.gross_exposure, found.open_risk, found.worst_case) == (0.0, 0.0, 0.0, 0.0)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["correlations"] == [[1.0]]


def test_a_stream_that_has_seen_nothing_is_defined() -> None:
    report = fx.risk_report(fx.Stream("dual_mode", ["A", "B"], timeframe="1h"))
    assert np.isnat(report.time)
    assert [account.equity for account in report.accounts] == [100_000.0, 100_000.0]
    assert report.to_dict()["time"] is None


def test_equity_below_zero_has_no_shares() -> None:
    rows = [at(50.0, SHORT), at(50.0), at(300.0)]
    risk = Risk(max_position=1.0, max_deployed=1.0, cash_rate=0.0)
    found = only_account(fx.risk_report(run(rows, params={"distance": 500.0, "risk": 1.0}, risk=risk)))
    if found.equity <= 0.0:
        assert np.isnan(found.gross_exposure)
    json.dumps(fx.risk_report(run(rows)).to_dict(), allow_nan=False)


def test_a_moment_before_the_first_bar_is_refused() -> None:
    found = run([at(50.0)])
    with pytest.raises(DataError, match="first bar closes at"):
        fx.risk_report(found, "1999-01-01")
    with pytest.raises(ParameterError, match="must be a UTC time"):
        fx.risk_report(found, "soon")
    with pytest.raises(ParameterError, match="only its last row"):
        fx.risk_report(fx.Stream("dual_mode", ["A"], timeframe="1h"), "2024-01-01")


STORMY = {
    "base": "retail",
    "daily_loss": 0.004,
    "drawdown_reduce": None,
    "drawdown_halt": 0.006,
    "halt_sessions": 2,
}


@pytest.mark.parametrize("account", ["own", "shared"])
def test_a_stream_tells_what_a_run_tells(account: str) -> None:
    """Row by row, through halts for the day and for a drawdown, over ends of sessions and missing bars."""
    bars = fx.sample_market(n_symbols=3, sessions=12, seed=5).isel(time=slice(0, -100))
    settings = {"account": account, "decision_timeframe": "15m", "params": {"stop": 0.02}, "risk": STORMY}
    whole = fx.backtest(RULES / "ranked.py", bars, **settings)
    stream = fx.Stream.for_market(RULES / "ranked.py", bars, **settings)
    columns = [symbol_bars(bars, str(symbol)) for symbol in bars["symbol"].values]
    table = np.stack([np.stack(one[2:7], axis=1) for one in columns])
    ends = np.flatnonzero(np.diff(bars["session"].values.astype(np.int64)))
    looks = {*range(0, bars.sizes["time"], 97), *ends.tolist(), *(ends + 1).tolist(), *(ends + 2).tolist()}
    halts = set()
    for row in range(bars.sizes["time"]):
        stream.advance_row(columns[0].ts_ns[row], columns[0].session_close_ns[row], table[:, row])
        if row not in looks:
            continue
        theirs, ours = fx.risk_report(stream), fx.risk_report(whole, bars["time"].values[row])
        _assert_same(ours.to_dict() | {"correlations": 0}, theirs.to_dict() | {"correlations": 0})
        halts |= set(ours.halts.values())
    assert halts == {"daily loss limit", "drawdown limit"}


def _assert_same(mine: Any, theirs: Any, path: str = "") -> None:
    if isinstance(mine, dict):
        assert mine.keys() == theirs.keys(), path
        for name in mine:
            if name != "held_correlations":
                _assert_same(mine[name], theirs[name], f"{path}.{name}")
    elif isinstance(mine, list):
        assert len(mine) == len(theirs), path
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            _assert_same(a, b, f"{path}[{i}]")
    elif isinstance(mine, float):
        assert theirs == pytest.approx(mine, rel=1e-9, abs=1e-9), path
    else:
        assert mine == theirs, path


def test_halts_agree_with_what_the_rule_was_told() -> None:
    bars = fx.sample_market(n_symbols=3, sessions=12, seed=5)
    settings = {"account": "shared", "decision_timeframe": "15m", "params": {"stop": 0.02}, "risk": STORMY}
    found = fx.backtest(RULES / "ranked.py", bars, **settings)
    halts = run_history(found).accounts[0].halts
    assert {halt.reason for halt in halts} == {"daily loss limit", "drawdown limit"}

    def is_halted(time: np.datetime64) -> bool:
        return any(halt.start <= time and (halt.stop is None or time <= halt.stop) for halt in halts)

    told = found.decisions[found.decisions["action"] == "enter"]
    denied = told["outcome"] == "denied: trading is halted"
    assert denied.sum() > 10
    assert all(is_halted(time) for time in told.loc[denied, "time"].to_numpy())
    assert not any(is_halted(time) for time in told.loc[told["outcome"] == "accepted", "time"].to_numpy())


def test_correlations_are_those_of_sixty_session_returns() -> None:
    rng = np.random.default_rng(4)
    moves = rng.normal(0.0, 0.01, (2, 80))
    moves[1] = 0.8 * moves[0] + 0.6 * moves[1]
    close = 100.0 * np.exp(moves.cumsum(axis=1))
    time = np.datetime64("2024-01-02") + np.arange(80)
    fields = [close, close, close, close, np.ones_like(close)]
    bars = fx.from_arrays(["A", "B"], time, *fields, timeframe="1d")
    report = fx.risk_report(fx.backtest(RULES / "by_volume.py", bars))
    returns = close[:, -60:] / close[:, -61:-1] - 1.0
    assert report.correlations[0][1] == pytest.approx(np.corrcoef(returns)[0, 1])
    early = fx.risk_report(fx.backtest(RULES / "by_volume.py", bars), time[30])
    assert np.isnan(early.correlations[0][1])
    assert report.held_correlations == ()


def test_tables_show_every_account_position_and_limit() -> None:
    from rich.console import Console

    from fluxhero.engine.reports.terminal import risk_terminal_tables

    rows = [at(50.0, ENTER), at(50.0)], [at(20.0, ENTER), at(20.0)]
    report = fx.risk_report(run(*rows, account="shared", risk="retail"))
    console = Console(width=200, record=True, file=io.StringIO())
    for table in risk_terminal_tables(report):
        console.print(table)
    text = console.export_text()
    for word in ("account", "S0", "S1", "max_open_risk", "daily_loss", "Correlation", "Open risk"):
        assert word in text
