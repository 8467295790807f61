"""SPEC 16 on costs, sizing and risk: markets with a named property, the outcome worked out by hand.

The property of each market is asserted before what follows from it. No test requires a market to pay.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import fluxhero as fx
from fluxhero.engine.config import Costs, Risk, load_risk
from fluxhero.engine.run import Run

pytestmark = pytest.mark.usefixtures("one_loop_for_all")

RULES = Path(__file__).resolve().parents[1] / "data" / "strategies"
FREE = Costs(commission_per_share=0.0, slippage=0.0, impact=0.0)
ENTER, SHORT, LEAVE, TRAIL, NO_STOP, QUIET = 777.0, 444.0, 888.0, 999.0, 555.0, 1.0
HOUR, DAY = 3_600_000_000_000, 86_400_000_000_000
MIDNIGHT = 19_723 * DAY

Bars = list[tuple[float, ...]]


def profile(**limits: Any) -> Risk:
    """No limit but the money, unless given; idle cash earns nothing."""
    return Risk(
        **({"max_position": 1.0, "max_deployed": 1.0, "cash_rate": 0.0, "risk_free_rate": 0.0} | limits)
    )


def retail(**changes: Any) -> Risk:
    """The default profile, without interest, so that numbers stay round."""
    return load_risk({"base": "retail", "cash_rate": 0.0} | changes)


def at(price: float, word: float = QUIET) -> tuple[float, ...]:
    """A bar of one price; the volume tells the rule what to do."""
    return (price, price, price, price, word)


def days(*sessions: Bars) -> Bars:
    """Sessions of 24 hourly bars: what is not given repeats the last price."""
    rows: Bars = []
    for session in sessions:
        rows += [*session, *[at(session[-1][3])] * (24 - len(session))]
    return rows


def market(*symbols: Bars, step: int = HOUR, sector: Any = None, **settings: Any) -> xr.Dataset:
    """Hourly bars of S0, S1, ... from a midnight on; a session is a day."""
    longest = max(map(len, symbols))
    table = np.array([[*rows, *[at(rows[-1][3])] * (longest - len(rows))] for rows in symbols])
    time = MIDNIGHT + step * np.arange(1, longest + 1)
    fields = [table[:, :, i] for i in range(5)]
    names = [f"S{i}" for i in range(len(symbols))]
    given = {"timeframe": "1h" if step == HOUR else "1d", "lot_size": 1.0, "asset_class": "equity"} | settings
    bars = fx.from_arrays(names, time, *fields, **given)
    return bars if sector is None else bars.assign_coords(sector=("symbol", np.array(sector, dtype=object)))


def run(bars: xr.Dataset, **settings: Any) -> Run:
    """A rule that does what volume says: by default 1% of equity against a stop 2 below."""
    rule = settings.pop("rule", "by_volume")
    return fx.backtest(RULES / f"{rule}.py", bars, **({"costs": FREE, "risk": profile()} | settings))


def entered(found: Run) -> list[float]:
    """Quantities of all entries."""
    orders = found.orders
    return list(orders.loc[orders["client_order_id"].str.endswith("-enter"), "qty"])


def outcomes(found: Run, action: str = "enter") -> list[str]:
    return list(found.decisions.loc[found.decisions["action"] == action, "outcome"])


def walk(seed: int, n_bars: int, volatility: float) -> Bars:
    """A price without drift: bars that open where the one before closed."""
    rng = np.random.default_rng(seed)
    closes = 100.0 * np.exp(rng.normal(0.0, volatility, n_bars).cumsum())
    opens = np.r_[100.0, closes[:-1]]
    high, low = np.maximum(opens, closes), np.minimum(opens, closes)
    return [(*map(float, bar), 1e9) for bar in zip(opens, high, low, closes, strict=True)]


# ---- what trading costs


def test_buy_and_hold_is_the_instruments_return_within_its_costs() -> None:
    bars = fx.sample_market(1, sessions=30, seed=8)
    cash = 10_000_000.0
    costs = Costs(impact=0.0)
    found = run(bars, rule="buy_and_hold", costs=costs, initial_cash=cash)
    assert len(found.fills) == 1
    first = found.fills.iloc[0]
    row = int(np.searchsorted(bars["time"].values, first["time"].to_datetime64()))
    instrument = float(bars["close"][0, -1] / bars["open"][0, row] - 1.0)
    invested = first["qty"] * first["price"] / cash
    paid = float(found.metrics["costs_paid"][0]) / cash
    assert invested > 0.995
    assert 0.0 < paid < 0.001
    missing = instrument * invested - float(found.metrics["total_return"][0])
    assert missing == pytest.approx(paid, rel=0.1)


def _foreseen(bars: xr.Dataset, want: np.ndarray, costs: Any) -> Run:
    series = {"entries": want.astype(np.float64)[None, :], "exits": (~want).astype(np.float64)[None, :]}
    with_signals = fx.with_series(bars, **series)
    params = {"stop": 0.5, "risk": 0.2}
    return fx.backtest("signals", with_signals, params=params, costs=costs, risk=profile())


def test_a_perfect_predictor_is_rich_but_pays_its_costs() -> None:
    bars = market(walk(1, 1_000, 0.01))
    opens = bars["open"].values[0]
    # Decided at the close of t, bought at the open of t + 1, sold at the open of t + 2.
    rises = np.r_[opens[2:] > opens[1:-1], False, False]
    paying, free = (_foreseen(bars, rises, costs) for costs in ("us_equity", "zero"))
    assert paying.trades.shape == free.trades.shape
    assert (free.trades["pnl"] > 0.0).all()
    assert float(free.metrics["total_return"][0]) > 1.0
    assert 1.0 < float(paying.metrics["total_return"][0]) < float(free.metrics["total_return"][0])
    costs = float(paying.metrics["costs_paid"][0])
    assert costs > 0.0
    assert costs == pytest.approx(paying.fills["cost"].sum(), rel=1e-12)
    assert float(free.metrics["costs_paid"][0]) == free.fills["cost"].sum() == 0.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_random_strategy_loses_about_its_costs(seed: int) -> None:
    """Moves of 0.05% and costs of 0.5% a side: what chance gives or takes is small beside them."""
    bars = market(walk(seed, 2_000, 0.0005))
    want = np.random.default_rng(100 + seed).random(2_000) < 0.5
    found = _foreseen(bars, want, Costs(commission_per_share=0.0, slippage=0.005, impact=0.0))
    assert len(found.trades) > 300
    lost = 100_000.0 - float(found.metrics["final_equity"][0])
    assert lost == pytest.approx(float(found.metrics["costs_paid"][0]), rel=0.05)
    assert lost > 0.0


# ---- losses


def test_five_straight_losses_cost_less_than_6_per_cent() -> None:
    """The default profile: each day one entry of 1% risk, stopped out at its stop."""
    day = [at(50.0, ENTER), at(50.0), (50.0, 50.0, 47.0, 47.5, QUIET), at(50.0)]
    found = run(market(days(*[day] * 5)), params={"distance": 2.5}, costs="us_equity", risk="retail")
    assert len(found.trades) == 5
    assert (found.trades["exit_reason"] == "protective stop").all()
    assert (found.trades["pnl"] < 0.0).all()
    lost = -float(found.metrics["total_return"][0])
    assert 0.04 < lost < 0.06


def _fallen_account() -> Bars:
    """400 shares at 50 that open at 10: 16% of the account is gone on the first day."""
    return [at(50.0, ENTER), at(50.0), at(10.0)]


def test_a_drawdown_of_15_per_cent_halves_sizes_and_shortens_stops() -> None:
    rows = days(_fallen_account(), [at(10.0, ENTER), at(10.0)])
    found = run(market(rows), risk=retail())
    assert float(found.equity[0, 3]) == 84_000.0
    orders = found.orders[found.orders["client_order_id"].str.endswith("-enter")]
    assert list(orders["qty"]) == [400.0, np.floor(84_000.0 * 0.01 / 1.6 * 0.5)]  # 262
    assert list(orders["stop_distance"]) == [2.0, 1.6]
    whole = run(market(rows), risk=retail(drawdown_reduce=None))
    assert entered(whole)[1] == 84_000.0 * 0.01 / 2.0  # 420


def test_sizes_are_whole_again_once_the_drawdown_is_below_15_per_cent() -> None:
    back = [at(10.0, ENTER), at(10.0), at(14.0, LEAVE), at(14.0), at(14.0, ENTER), at(14.0)]
    found = run(market(days(_fallen_account(), back)), risk=retail())
    equity = 84_000.0 + 262.0 * 4.0
    assert equity > 85_000.0
    assert entered(found)[2] == np.floor(equity * 0.01 / 2.0)  # 425


def _two_that_fall() -> xr.Dataset:
    """Two positions, of which one loses 3.1% of the account; both ask again at once, and again next day."""
    again = [at(50.0, ENTER), at(50.0)]
    falls = [at(50.0, ENTER), at(50.0), at(42.25), at(42.25, ENTER), at(42.25)]
    steady = [at(50.0, ENTER), at(50.0), at(50.0), at(50.0, ENTER), at(50.0)]
    return market(days(falls, [at(42.25, ENTER), at(42.25)]), days(steady, again))


def test_a_loss_of_3_per_cent_closes_everything_until_the_next_session() -> None:
    risk = retail(max_open_risk=1.0, correlation_above=None)
    found = run(_two_that_fall(), account="shared", params={"distance": 12.0, "risk": 0.5}, risk=risk)
    assert float(found.equity[2]) == pytest.approx(100_000.0 * (1.0 - 0.031))
    closed = found.fills[found.fills["reason"] == "daily loss limit"]
    times = found.market["time"].values
    assert sorted(closed["symbol"]) == ["S0", "S1"]
    assert (closed["time"] == times[3]).all()  # the bar after the close that saw it
    decided = found.decisions[found.decisions["action"] == "enter"].set_index("time")["outcome"]
    assert set(decided[times[3]]) == {"denied: trading is halted"}
    assert set(decided[times[24]]) == {"accepted"}
    assert not found.fills["time"].between(times[4], times[24]).any()


def test_a_loss_of_2_9_per_cent_closes_nothing() -> None:
    rows = days([at(50.0, ENTER), at(50.0), at(42.75), at(42.75)])
    found = run(market(rows), params={"distance": 12.0, "risk": 0.5}, risk=retail(max_open_risk=1.0))
    assert float(found.equity[0, 2]) == pytest.approx(100_000.0 * (1.0 - 0.029))
    assert len(found.fills) == 1


def _fallen_by_a_fifth(**limits: Any) -> Run:
    """All of the money at 50, then 40; afterwards the rule asks for an entry every day."""
    first = [at(50.0, ENTER), at(50.0), at(40.0), at(40.0, ENTER), at(40.0)]
    later = [at(40.0, ENTER), at(40.0), at(40.0, LEAVE), at(40.0)]
    rows = days(first, *[later] * 4)
    params = {"distance": 45.0, "risk": 0.9}
    return run(market(rows), params=params, risk=profile(drawdown_halt=0.2, **limits))


def test_a_drawdown_of_20_per_cent_closes_everything_to_the_end() -> None:
    found = _fallen_by_a_fifth()
    assert float(found.equity[0, 2]) == 80_000.0
    assert list(found.fills["reason"]) == ["told to enter", "drawdown limit"]
    assert found.fills["time"].iloc[1] == found.market["time"].values[3]
    assert set(outcomes(found)[1:]) == {"denied: trading is halted"}


def test_or_for_a_number_of_sessions_after_which_the_peak_is_the_equity() -> None:
    found = _fallen_by_a_fifth(halt_sessions=2)
    assert outcomes(found) == ["accepted", *["denied: trading is halted"] * 2, *["accepted"] * 3]
    assert list(found.fills["reason"]).count("drawdown limit") == 1  # no fall below the new peak


def _together(correlated: bool) -> xr.Dataset:
    """Sixty-four days of two symbols; the first is bought, and a day later the second."""
    rng = np.random.default_rng(6)
    moves = rng.normal(0.0, 0.01, (2, 70))
    if correlated:
        moves[1] = 0.95 * moves[0] + 0.05 * moves[1]
    prices = 50.0 * np.exp(moves.cumsum(axis=1))
    expected = np.corrcoef(np.diff(prices) / prices[:, :-1])[0, 1]
    assert (expected > 0.7) == correlated
    rows = [[at(float(price)) for price in line] for line in prices]
    rows[0][64], rows[1][66] = at(rows[0][64][0], ENTER), at(rows[1][66][0], ENTER)
    return market(*rows, step=DAY)


@pytest.mark.parametrize(("correlated", "factor"), [(True, 0.5), (False, 1.0)])
def test_an_entry_beside_a_correlated_position_is_halved(correlated: bool, factor: float) -> None:
    risk = profile(correlation_above=0.7, correlation_size=0.5)
    found = run(_together(correlated), account="shared", params={"risk": 0.002}, risk=risk)
    second = found.orders[(found.orders["symbol"] == "S1")].iloc[0]
    equity = float(found.equity.sel(time=second["time"]))
    assert second["qty"] == np.floor(equity * 0.002 / 2.0 * factor)


def test_accounts_of_their_own_do_not_know_of_each_other() -> None:
    risk = profile(correlation_above=0.7, correlation_size=0.5)
    found = run(_together(True), params={"risk": 0.002}, risk=risk)
    assert entered(found) == [100.0, 100.0]


# ---- sizes


def test_the_example_of_the_specification() -> None:
    """100,000 dollars, an entry at 50, a stop at 48: 500 shares by risk; a cap of 20% leaves 400."""
    bars = market([at(50.0, ENTER), at(50.0)])
    assert entered(run(bars, risk="none")) == [500.0]
    assert entered(run(bars, risk={"base": "none", "max_position": 0.2})) == [400.0]
    assert entered(run(bars, risk="retail")) == [400.0]


SIMPLE_SIZES = [
    ({"sizing": "stop"}, 500.0),  # 100,000 x 1% / 2
    ({"sizing": "fraction", "fraction": 0.15}, 300.0),  # 15,000 / 50
    ({"sizing": "equal", "max_deployed": 0.6, "max_positions": 4}, 300.0),  # 60,000 / 4 / 50
    ({"sizing": "kelly", "kelly_share": 0.5}, 500.0),  # no trades yet: by the stop
]


@pytest.mark.parametrize(
    ("limits", "qty"), SIMPLE_SIZES, ids=[limits["sizing"] for limits, _ in SIMPLE_SIZES]
)
def test_sizes_by_hand(limits: dict[str, Any], qty: float) -> None:
    assert entered(run(market([at(50.0, ENTER), at(50.0)]), risk=profile(**limits))) == [qty]


def _by_volatility() -> tuple[Run, list[float]]:
    """Daily closes, and an entry on the first day whose last 20 session returns are known."""
    rng = np.random.default_rng(2)
    prices = [*map(float, 50.0 * np.exp(rng.normal(0.0, 0.02, 22).cumsum()))]
    rows = [at(price, ENTER if i in (10, 21) else QUIET) for i, price in enumerate(prices)]
    risk = profile(sizing="volatility", target_volatility=0.1)
    return run(market([*rows, at(prices[-1])], step=DAY), risk=risk), prices[1:]


def _qty_by_volatility(returns: np.ndarray, price: float) -> float:
    assert len(returns) == 20
    return float(np.floor(100_000.0 * 0.1 / (returns.std(ddof=1) * np.sqrt(365.0) * price)))


def test_a_size_by_volatility() -> None:
    """Logarithmic returns, as `realised_volatility` takes them; nothing before they are known."""
    found, prices = _by_volatility()
    assert outcomes(found) == ["denied: no volatility known yet", "accepted"]
    assert entered(found) == [_qty_by_volatility(np.diff(np.log(prices)), prices[-1])]


def _kelly(n_wins: int, n_losses: int) -> Run:
    """Trades that win 2 or lose 1 a share, and one more entry."""
    trades = [
        (at(50.0, ENTER), at(50.0), at(price, LEAVE), at(price))
        for price in [52.0] * n_wins + [49.0] * n_losses
    ]
    rows = [bar for trade in trades for bar in trade]
    return run(market([*rows, at(50.0, ENTER), at(50.0)]), risk=profile(sizing="kelly", kelly_share=0.5))


def test_a_size_by_kelly() -> None:
    found = _kelly(12, 8)
    pnl = found.trades["pnl"].to_numpy()
    assert len(pnl) == 20
    wins, losses = pnl[pnl > 0.0], pnl[pnl < 0.0]
    share = 12 / 20 - (8 / 20) / (wins.mean() / -losses.mean())
    equity = 100_000.0 + pnl.sum()
    assert entered(found)[-1] == np.floor(equity * 0.5 * share / 50.0)
    assert entered(found)[0] == 500.0


def test_kelly_needs_twenty_trades_and_a_loser() -> None:
    for found in (_kelly(12, 7), _kelly(20, 0)):
        equity = 100_000.0 + found.trades["pnl"].sum()
        assert entered(found)[-1] == np.floor(equity * 0.01 / 2.0)


def test_kelly_makes_no_entry_without_an_edge() -> None:
    found = _kelly(4, 16)
    assert outcomes(found)[-1] == "denied: size below one lot"
    assert len(entered(found)) == 20


# ---- limits, each by hand


def test_max_stop_denies_a_stop_that_is_further_away() -> None:
    bars = market([at(50.0, ENTER), at(50.0)])
    for distance, outcome in ((2.0, "denied: stop too far away"), (1.5, "accepted")):
        found = run(bars, params={"distance": distance}, risk=profile(max_stop=0.03))
        assert outcomes(found) == [outcome]


def test_max_trades_counts_entries_per_session_and_symbol() -> None:
    trade = [at(50.0, ENTER), at(50.0), at(50.0, LEAVE), at(50.0)]
    bars = market(days(trade * 3, trade), days(trade, trade))
    found = run(bars, account="shared", risk=profile(max_trades=2, max_position=0.2))
    told = found.decisions[found.decisions["action"] == "enter"]
    of_first = list(told.loc[told["symbol"] == "S0", "outcome"])
    assert of_first == ["accepted", "accepted", "denied: no more trades this session", "accepted"]
    assert set(told.loc[told["symbol"] == "S1", "outcome"]) == {"accepted"}


def test_max_position_is_a_share_of_equity() -> None:
    assert entered(run(market([at(50.0, ENTER), at(50.0)]), risk=profile(max_position=0.1))) == [200.0]


def _all_at_once(n: int, risk: Risk, **settings: Any) -> Run:
    """`n` symbols at 50 that ask for an entry at the same close, in one account."""
    rows = [at(50.0, ENTER), at(50.0)]
    return run(market(*[rows] * n, **settings), account="shared", risk=risk)


def test_max_crypto_counts_coins_only() -> None:
    risk = profile(max_position=0.2, max_crypto=0.3)
    found = _all_at_once(4, risk, asset_class=["crypto", "equity", "crypto", "crypto"])
    assert entered(found) == [400.0, 400.0, 200.0]
    assert outcomes(found)[3] == "denied: asset class limit"


def test_max_sector_counts_the_sector_only() -> None:
    risk = profile(max_position=0.2, max_sector=0.3)
    found = _all_at_once(4, risk, sector=["tech", "banks", "tech", "tech"])
    assert entered(found) == [400.0, 400.0, 200.0]
    assert outcomes(found)[3] == "denied: sector limit"


def test_symbols_without_a_sector_are_each_their_own() -> None:
    found = _all_at_once(3, profile(max_position=0.2, max_sector=0.2), sector=["", "", ""])
    assert entered(found) == [400.0] * 3


def test_max_positions_counts_positions_and_what_waits() -> None:
    found = _all_at_once(3, profile(max_position=0.2, max_positions=2))
    assert outcomes(found) == ["accepted", "accepted", "denied: no more positions"]


def test_max_open_risk_is_what_all_stops_cost() -> None:
    """1.5% of equity: the first takes 500 x 2, the second what is left, the third nothing."""
    found = _all_at_once(3, profile(max_open_risk=0.015))
    assert entered(found) == [500.0, 250.0]
    assert outcomes(found)[2] == "denied: open risk limit"


def test_open_risk_shrinks_where_a_stop_is_trailed() -> None:
    first = [at(50.0, ENTER), at(50.0), at(50.0, TRAIL), at(50.0)]
    second = [at(50.0), at(50.0), at(50.0), at(50.0, ENTER)]
    for trail_to, qty in ((49.0, 250.0), (0.0, None)):
        found = run(
            market(first, second),
            account="shared",
            params={"trail_to": trail_to},
            risk=profile(max_open_risk=0.01),
        )
        told = found.decisions[(found.decisions["symbol"] == "S1") & (found.decisions["action"] == "enter")]
        if qty is None:
            assert list(told["outcome"]) == ["denied: open risk limit"]
        else:
            assert list(told["qty"]) == [qty]  # 500 x 1 are taken, 500 are left against a stop of 2


def test_max_deployed_is_shared_by_all() -> None:
    found = _all_at_once(3, profile(max_position=0.2, max_deployed=0.3))
    assert entered(found) == [400.0, 200.0]
    assert outcomes(found)[2] == "denied: deployed limit"
    assert entered(run(market([at(50.0, ENTER), at(50.0)]), risk=profile(max_deployed=0.2))) == [400.0]


def test_the_first_limit_that_leaves_nothing_names_the_outcome() -> None:
    order = [
        ("max_sector", 0.2, "denied: sector limit"),
        ("max_positions", 1, "denied: no more positions"),
        ("max_open_risk", 0.008, "denied: open risk limit"),
        ("max_deployed", 0.2, "denied: deployed limit"),
    ]
    for first in range(len(order)):
        limits = {name: value for name, value, _ in order[first:]}
        found = _all_at_once(2, profile(**({"max_position": 0.2} | limits)), sector=["tech", "tech"])
        assert outcomes(found) == ["accepted", order[first][2]]


def test_an_exit_frees_its_room_when_it_is_filled() -> None:
    first = [at(50.0, ENTER), at(50.0), at(50.0, LEAVE), at(50.0), at(50.0)]
    second = [at(50.0), at(50.0), at(50.0, ENTER), at(50.0, ENTER), at(50.0)]
    found = run(market(first, second), account="shared", risk=profile(max_position=0.2, max_positions=1))
    told = found.decisions[(found.decisions["symbol"] == "S1") & (found.decisions["action"] == "enter")]
    assert list(told["outcome"]) == ["denied: no more positions", "accepted"]


def test_room_counts_an_entry_that_rests_at_the_last_close() -> None:
    """500 shares wait at a limit of 40, sized at 50; the price then is 60. 30,000 of 50,000 are taken."""
    first = [at(50.0, ENTER), at(60.0), at(60.0)]
    second = [at(50.0), at(50.0, ENTER), at(50.0)]
    params = {"limit": 40.0, "stop": 2.0}
    risk = profile(max_deployed=0.5)
    found = run(market(first, second), rule="scripted", account="shared", params=params, risk=risk)
    assert entered(found) == [500.0, 400.0]
