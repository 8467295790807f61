"""Positions, cash and equity add up at every bar, from nothing but the fills that were told.

Without interest an account is its first money, less what its fills cost, plus what it holds at last closes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from fluxhero.adapters.sample_market import sample_market
from fluxhero.engine.backtest import backtest
from fluxhero.engine.run import Run
from fluxhero.engine.series import with_series

RULES = Path(__file__).resolve().parents[1] / "data" / "strategies"
FREE_OF_INTEREST = {"cash_rate": 0.0, "risk_free_rate": 0.0}
COSTS = {"base": "us_equity", "slippage": 0.0005, "commission_per_order": 0.35, "borrow_rate": 0.0}
EXECUTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "in parts": {"participation": 0.002, "intrabar": "path"},
    "at the close, some missed": {"timing": "close", "missed_fills": 0.3, "delay_bars": 1},
}


@pytest.fixture(scope="module")
def market() -> xr.Dataset:
    """Four symbols with gaps, and weights that nobody could wish for."""
    bars = sample_market(4, sessions=8, seed=11)
    rng = np.random.default_rng(11)
    shape = (bars.sizes["symbol"], bars.sizes["time"])
    weights = np.where(rng.random(shape) < 0.02, rng.uniform(-0.6, 0.6, shape), np.nan)
    return with_series(bars, weights=weights)


def _added_up(run: Run) -> np.ndarray:
    """Equity of each account at each bar, worked out from its fills; shape (n_accounts, n_bars)."""
    n_bars = run.market.sizes["time"]
    names = [str(name) for name in run.market["symbol"].values]
    closes = run.market["close"].to_pandas().T.ffill().fillna(0.0).to_numpy().T
    cash, qty = np.zeros((len(names), n_bars)), np.zeros((len(names), n_bars))
    at = np.searchsorted(run.market["time"].values, run.fills["time"].to_numpy())
    for row, fill in zip(at, run.fills.itertuples(), strict=True):
        symbol = names.index(fill.symbol)
        cash[symbol, row] -= fill.side * fill.qty * fill.price + fill.commission
        qty[symbol, row] += fill.side * fill.qty
    worth = np.cumsum(cash, axis=1) + np.cumsum(qty, axis=1) * closes
    if run.is_shared:
        return run.initial_cash + worth.sum(axis=0)[None]
    return run.initial_cash + worth


@pytest.mark.parametrize("account", ["own", "shared"])
@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("strategy", ["swing", "bracket", "ranked", "weights"])
def test_an_account_is_what_its_fills_left(
    market: xr.Dataset, strategy: str, execution: str, account: str
) -> None:
    rule = strategy if strategy == "weights" else RULES / f"{strategy}.py"
    run = backtest(
        rule,
        market,
        account=account,
        decision_timeframe="5m",
        costs=COSTS,
        execution=EXECUTIONS[execution],
        risk={"base": "retail", **FREE_OF_INTEREST},
    )
    assert len(run.fills) > 10
    np.testing.assert_allclose(run.account_equity, _added_up(run), rtol=1e-9)
    trades = run.trades.groupby("symbol")["pnl"].sum().sum()
    held = (run.fills["side"] * run.fills["qty"]).groupby(run.fills["symbol"]).sum()
    if not held.any():  # all is closed: what the trades won is what the accounts have more
        gained = (run.account_equity[:, -1] - run.initial_cash).sum()
        assert trades == pytest.approx(gained, rel=1e-9, abs=1e-6)
