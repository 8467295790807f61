"""A run in full detail: equity, orders, fills, trades, decisions, read off the tape."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..kernels.intent import AIM, CANCEL, ENTER, ENTER_SHORT, LEAVE, TARGET_WEIGHT, TRAIL
from ..kernels.outcomes import OUTCOMES
from ..kernels.tape import TAPE
from ..kernels.types import FloatArray, IntArray
from .executions import SymbolTape, read_executions
from .records import ACCOUNT
from .setup import Setup
from .strategy import Strategy

ACTIONS = {
    0: "hold",
    int(ENTER): "enter",
    int(LEAVE): "leave",
    int(TRAIL): "trail",
    int(ENTER_SHORT): "enter_short",
    int(AIM): "aim",
    int(CANCEL): "cancel",
    int(TARGET_WEIGHT): "target_weight",
}
TEXT = frozenset(
    {
        "symbol",
        "kind",
        "reason",
        "mode",
        "entry_reason",
        "exit_reason",
        "action",
        "outcome",
        "client_order_id",
    }
)


@dataclass(frozen=True)
class Run:
    """One trial over one or more symbols, with everything that happened.

    Times are UTC closes of bars; a fill carries the close of the bar in which it happened.
    """

    strategy: str
    params: dict[str, float]
    decision_timeframe: str
    initial_cash: float
    market: xr.Dataset
    metrics: xr.Dataset  # (symbol); of a shared account without dimension
    equity: xr.DataArray  # (symbol, time), account currency; of a shared account (time)
    stops: xr.DataArray  # (symbol, time), quote currency; NaN when flat
    trades: pd.DataFrame  # `side` +1 long, -1 short; `pnl` is net of the fills' costs
    fills: pd.DataFrame
    orders: pd.DataFrame
    decisions: pd.DataFrame
    attrs: dict[str, Any]  # provenance

    @property
    def is_shared(self) -> bool:
        """Whether all symbols share one account."""
        return "symbol" not in self.metrics.dims

    @property
    def accounts(self) -> list[str]:
        """Names of the accounts: the symbols, or ``ACCOUNT`` where they share one."""
        return [ACCOUNT] if self.is_shared else [str(name) for name in self.metrics["symbol"].values]

    @property
    def account_metrics(self) -> xr.Dataset:
        """Metrics by account, with dim ``symbol`` even where there is but one."""
        return self.metrics.expand_dims(symbol=[ACCOUNT]) if self.is_shared else self.metrics

    @property
    def account_equity(self) -> FloatArray:
        """Equity of each account, shape (n_accounts, n_bars), account currency."""
        equity: FloatArray = self.equity.values
        return equity[None] if self.is_shared else equity

    def refusals(self) -> pd.Series:
        """How often each gate or limit stood in the way of a signal."""
        table = self.decisions
        words = table["reason"].where(table["reason"].str.startswith("refused"), "")
        words = words.where(~table["outcome"].str.startswith("denied"), table["outcome"])
        return words[words != ""].value_counts()


def _column(part: SymbolTape, rows: IntArray, name: str) -> FloatArray:
    values: FloatArray = part.tape[rows, TAPE[name]]
    return values


def _words(codes: FloatArray, word: Callable[[float], str]) -> pd.Series:
    """A word for every code; there are few codes and many rows."""
    whole = codes.astype(np.int64)
    table = np.empty(int(whole.max(initial=0)) + 1, dtype=object)
    for code in np.flatnonzero(np.bincount(whole)):
        table[code] = word(float(code))
    return pd.Series(table[whole], dtype=object)  # pandas would make text of it, and we objects again


def _same_word(word: str, n: int) -> pd.Series:
    return pd.Series(np.full(n, word, dtype=object), dtype=object)


def read_decisions(part: SymbolTape, strategy: Strategy) -> pd.DataFrame:
    """Every time the rule was asked, what it answered, what became of it, and what it saw."""
    rows = np.flatnonzero(part.tape[:, TAPE["decided"]])
    table = {
        "symbol": _same_word(part.symbol, len(rows)),
        "time": part.close_ns[rows].astype("datetime64[ns]"),
        "action": _words(
            _column(part, rows, "action"), lambda code: ACTIONS.get(int(code), f"action {int(code)}")
        ),
        "reason": _words(_column(part, rows, "reason"), strategy.reason),
        "qty": _column(part, rows, "decided_qty"),
        "stop_price": _stop_or_nan(part, rows),
        "outcome": _words(_column(part, rows, "outcome"), lambda code: OUTCOMES[int(code)]),
    }
    seen = part.features[part.decision_row[rows]]
    return pd.DataFrame(table | {name: seen[:, i] for i, name in enumerate(part.names)})


def _stop_or_nan(part: SymbolTape, rows: IntArray) -> FloatArray:
    return np.where(_column(part, rows, "qty") != 0.0, _column(part, rows, "stop"), np.nan)


def read_run(
    parts: Sequence[SymbolTape],
    setup: Setup,
    *,
    market: xr.Dataset,
    metrics: Mapping[str, FloatArray],
    attrs: dict[str, Any],
) -> Run:
    """Assemble the run of all symbols."""
    strategy, shared = setup.strategy, setup.account == "shared"
    symbols = market["symbol"].values
    executed = [read_executions(part, strategy) for part in parts]
    everything = np.arange(market.sizes["time"])
    coords = {"symbol": symbols, "time": market["time"].values}
    equity = xr.DataArray(
        np.array([_column(part, everything, "equity") for part in parts]),
        dims=("symbol", "time"),
        coords=coords,
        name="equity",
    )
    stops = np.array([_stop_or_nan(part, everything) for part in parts])
    figures = xr.Dataset(
        {
            name: ("symbol", values.astype(np.int64) if name == "n_trades" else values)
            for name, values in metrics.items()
        },
        coords={"symbol": [ACCOUNT] if shared else symbols},
    )
    return Run(
        strategy=strategy.name,
        params=dict(setup.params),
        decision_timeframe=setup.decision_timeframe,
        initial_cash=setup.initial_cash,
        market=market,
        metrics=figures.isel(symbol=0, drop=True) if shared else figures,
        equity=equity.isel(symbol=0, drop=True) if shared else equity,
        stops=xr.DataArray(stops, dims=("symbol", "time"), coords=coords, name="stop"),
        trades=_stack([one.trades for one in executed]),
        fills=_stack([one.fills for one in executed]),
        orders=_stack([one.orders for one in executed]),
        decisions=_stack([read_decisions(part, strategy) for part in parts]),
        attrs=attrs,
    )


def _stack(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table; empty ones are left out first and text is cast: they must not change a column's type."""
    full = [frame for frame in frames if len(frame)]
    whole = pd.concat(full, ignore_index=True) if full else frames[0]
    return whole.astype({name: object for name in whole.columns if name in TEXT})
