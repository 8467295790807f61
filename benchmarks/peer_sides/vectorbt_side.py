"""vectorbt's side of the comparison, written the way that was found fastest for it.

Trials go through in chunks of columns, because whole matrices leave the caches; prices are one column that
vectorbt selects from by itself; signals are matrices of the chunk only. Features of the rich rule come ready
made from the file and cost it nothing. Nothing here is compiled within the measured time: the driver warms
up every configuration first.
"""

import gc
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt
from numba import njit
from serve import serve
from vectorbt.portfolio.enums import Direction, NoOrder, SizeType, StopEntryPrice, StopExitPrice
from vectorbt.portfolio.nb import order_nb

FOLDER, ENGINE = Path(sys.argv[1]), sys.argv[2]
CASH = 100_000.0
SLIPPAGE = 0.0001
PER_SHARE = 0.005
SHARE = 0.2  # of equity, per position of the rich rule
TREND, REVERSION = 1.0, 2.0  # modes of a position
STRONG_TREND, MEAN_REVERSION = 1.0, 2.0  # regimes

BARS = dict(np.load(FOLDER / "bars.npz"))
FEATURES = dict(np.load(FOLDER / "features.npz"))


def _bars(n_bars: int) -> dict[str, Any]:
    return {name: np.ascontiguousarray(BARS[name][:n_bars]) for name in ("open", "high", "low", "close")}


def _trials(case: str, n_trials: int) -> dict[str, Any]:
    with np.load(FOLDER / f"{case}.npz") as columns:
        return {name: columns[name][:n_trials] for name in columns.files}


def _later(signals: Any) -> Any:
    """The same signals one bar later: what is known at a close trades at the next open."""
    moved = np.empty_like(signals)
    moved[0] = False
    moved[1:] = signals[:-1]
    return moved


def _metrics(pf: Any, n_bars: int) -> dict[str, Any]:
    """Four metrics per trial from one curve of values: its own accessors need half as long again."""
    value = pf.value().to_numpy().reshape(n_bars, -1)
    is_last = np.append(BARS["session"][1:n_bars] != BARS["session"][: n_bars - 1], True)
    sharpe, drawdown = _moments(value, np.flatnonzero(is_last))
    return {
        "final_equity": value[-1].copy(),
        "sharpe_ratio": sharpe,
        "max_drawdown": drawdown,
        "win_rate": np.atleast_1d(np.asarray(pf.trades.win_rate())),
        "n_trades": np.atleast_1d(np.asarray(pf.trades.count())),
    }


@njit(nogil=True, cache=True, error_model="numpy")
def _moments(value, session_ends):  # type: ignore[no-untyped-def]
    """Sharpe ratio of session returns and deepest drawdown, per column."""
    n_bars, n_columns = value.shape
    peak = np.full(n_columns, CASH)
    drawdown = np.zeros(n_columns)
    for t in range(n_bars):
        for k in range(n_columns):
            peak[k] = max(peak[k], value[t, k])
            drawdown[k] = min(drawdown[k], value[t, k] / peak[k] - 1.0)
    sharpe = np.empty(n_columns)
    returns = np.empty(session_ends.size)
    for k in range(n_columns):
        before = CASH
        for i in range(session_ends.size):
            after = value[session_ends[i], k]
            returns[i] = after / before - 1.0
            before = after
        deviation = np.sqrt(((returns - returns.mean()) ** 2).sum() / (returns.size - 1))
        sharpe[k] = returns.mean() / deviation * np.sqrt(252.0)
    return sharpe, drawdown


def _run(one_chunk: Any, n_bars: int, n_trials: int, chunk: int) -> dict[str, Any]:
    parts = []
    for first in range(0, n_trials, chunk):
        parts += [_metrics(one_chunk(first, min(first + chunk, n_trials)), n_bars)]
        gc.collect()  # a portfolio and what it keeps hold each other: without this, gigabytes wait
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _from_signals(bars: dict[str, Any], entries: Any, exits: Any, **more: Any) -> Any:
    open_ = bars["open"][:, None]
    return vbt.Portfolio.from_signals(
        bars["close"][:, None],
        entries=_later(entries),
        exits=_later(exits),
        price=open_,
        fees=PER_SHARE / open_,  # it knows fees per order and per value; this is a fee per share
        slippage=SLIPPAGE,
        size_granularity=1.0,
        init_cash=CASH,
        freq="1min",
        engine=ENGINE,
        **more,
    )


# ---- a cross of two moving averages


def sma_cross(n_bars: int, n_trials: int, chunk: int) -> dict[str, Any]:
    """Each mean once per length, signals and portfolio per chunk of columns."""
    bars, trials = _bars(n_bars), _trials("sma_cross", n_trials)
    close = pd.Series(bars["close"])
    means, column = {}, {}
    for name in ("fast", "slow"):
        lengths = np.unique(trials[name])
        means[name] = np.asarray(vbt.MA.run(close, window=[int(n) for n in lengths], engine=ENGINE).ma)
        means[name] = means[name].reshape(n_bars, -1)
        column[name] = np.searchsorted(lengths, trials[name])

    def one_chunk(first: int, last: int) -> Any:
        fast = means["fast"][:, column["fast"][first:last]]
        slow = means["slow"][:, column["slow"][first:last]]
        return _from_signals(bars, fast > slow, fast < slow, size=np.inf)

    return _run(one_chunk, n_bars, n_trials, chunk)


# ---- the rich rule, stops approximate: signals from a loop, stops by vectorbt


@njit(nogil=True, cache=True)
def _rich_signals(bars, x, trials, entries, exits, stop, is_trailing):  # type: ignore[no-untyped-def]
    """Signals of some trials. The loop does not see stop-outs; entries are given whenever they would be."""
    close, low = bars
    kama, atr, previous_close, previous_kama, previous_atr, rsi, lower, middle, regime = x
    entry_atr, exit_atr, trail_atr, rsi_low = trials
    for k in range(entry_atr.size):
        mode = 0.0
        for t in range(close.size):
            if np.isnan(regime[t]):  # the last feature to become known
                continue
            level = close[t] > kama[t] + entry_atr[k] * atr[t]
            was = previous_close[t] > previous_kama[t] + entry_atr[k] * previous_atr[t]
            crossed = level and not was
            trend = crossed and regime[t] == STRONG_TREND
            reversion = not crossed and rsi[t] < rsi_low[k] and low[t] <= lower[t]
            reversion = reversion and regime[t] == MEAN_REVERSION
            if mode == TREND:
                exits[t, k] = close[t] < kama[t] - exit_atr[k] * atr[t]
            elif mode == REVERSION:
                exits[t, k] = close[t] >= middle[t] or rsi[t] > 70.0
            if exits[t, k]:
                mode = 0.0
            elif trend or reversion:
                entries[t, k] = True
                mode = TREND if trend else REVERSION
                stop[t, k] = trail_atr[k] * atr[t] / close[t] if trend else 0.03
                is_trailing[t, k] = trend


def _rich_inputs(n_bars: int, n_trials: int) -> tuple[dict[str, Any], tuple[Any, ...], tuple[Any, ...]]:
    names = (
        *("kama", "atr", "previous_close", "previous_kama", "previous_atr"),
        *("rsi", "lower_band", "middle_band", "regime"),
    )
    trials = _trials("dual_mode", n_trials)
    swept = tuple(trials[name] for name in ("entry_atr", "exit_atr", "trail_atr", "rsi_low"))
    return _bars(n_bars), tuple(np.ascontiguousarray(FEATURES[name][:n_bars]) for name in names), swept


def rich_signals(n_bars: int, n_trials: int, chunk: int) -> dict[str, Any]:
    """`from_signals` with its own fixed and trailing stops, which are fractions set at the entry."""
    bars, x, trials = _rich_inputs(n_bars, n_trials)

    def one_chunk(first: int, last: int) -> Any:
        shape = (n_bars, last - first)
        entries, exits, is_trailing = (np.zeros(shape, dtype=np.bool_) for _ in range(3))
        stop = np.full(shape, np.nan)
        part = tuple(values[first:last] for values in trials)
        _rich_signals((bars["close"], bars["low"]), x, part, entries, exits, stop, is_trailing)
        return _from_signals(
            bars,
            entries,
            exits,
            size=SHARE,
            size_type=SizeType.Percent,
            open=bars["open"][:, None],
            high=bars["high"][:, None],
            low=bars["low"][:, None],
            sl_stop=np.concatenate([stop[:1] * np.nan, stop[:-1]]),
            sl_trail=_later(is_trailing),
            stop_entry_price=StopEntryPrice.FillPrice,
            stop_exit_price=StopExitPrice.StopMarket,
        )

    return _run(one_chunk, n_bars, n_trials, chunk)


# ---- the rich rule, exact: an order function that carries the stop

PHASE, PENDING, QTY, DISTANCE, NEXT_MODE, STOP, HIGHEST, MODE, STOPPED = range(9)
N_MEMORY = 9


@njit(nogil=True)
def _rich_orders(c, bars, x, trials, memory):  # type: ignore[no-untyped-def]  # noqa: C901
    """Settle at the open, then the stop, then decide: called until it has no more orders for the bar."""
    open_, high, low, close = bars
    kama, atr, previous_close, previous_kama, previous_atr, rsi, lower, middle, regime = x
    entry_atr, exit_atr, trail_atr, rsi_low = trials
    k, t = c.from_col, c.i
    own = memory[k]
    if c.call_idx == 0:
        own[PHASE] = 0.0
    if own[PHASE] == 0.0:
        own[PHASE] = 1.0
        pending = own[PENDING]
        own[PENDING] = 0.0
        if pending == 1.0:
            price = open_[t] * (1.0 + SLIPPAGE)
            qty = max(min(own[QTY], np.floor(c.last_cash[k] / (price + PER_SHARE))), 0.0)
            if qty > 0.0:
                own[STOP] = price - own[DISTANCE]
                own[HIGHEST] = price
                own[MODE] = own[NEXT_MODE]
                return k, order_nb(
                    size=qty,
                    price=open_[t],
                    direction=Direction.LongOnly,
                    fixed_fees=qty * PER_SHARE,
                    slippage=SLIPPAGE,
                )
        elif pending == 2.0:
            held = c.last_position[k]
            return k, order_nb(
                size=-held,
                price=open_[t],
                direction=Direction.LongOnly,
                fixed_fees=held * PER_SHARE,
                slippage=SLIPPAGE,
            )
    held = c.last_position[k]
    if own[PHASE] == 1.0:
        own[PHASE] = 2.0
        if held > 0.0 and low[t] <= own[STOP]:
            own[STOPPED] = 1.0
            return k, order_nb(
                size=-held,
                price=min(open_[t], own[STOP]),
                direction=Direction.LongOnly,
                fixed_fees=held * PER_SHARE,
                slippage=SLIPPAGE,
            )
    own[HIGHEST] = max(own[HIGHEST], high[t])
    stopped = own[STOPPED]
    own[STOPPED] = 0.0
    if np.isnan(regime[t]):  # the last feature to become known
        return -1, NoOrder
    if held > 0.0:
        if own[MODE] == TREND:
            if close[t] < kama[t] - exit_atr[k] * atr[t]:
                own[PENDING] = 2.0
            else:
                own[STOP] = max(own[STOP], own[HIGHEST] - trail_atr[k] * atr[t])
        elif close[t] >= middle[t] or rsi[t] > 70.0:
            own[PENDING] = 2.0
        return -1, NoOrder
    above = close[t] > kama[t] + entry_atr[k] * atr[t]
    was_above = previous_close[t] > previous_kama[t] + entry_atr[k] * previous_atr[t]
    risk = 0.0
    if above and not was_above:
        if regime[t] == STRONG_TREND:
            risk, own[DISTANCE], own[NEXT_MODE] = 0.01, trail_atr[k] * atr[t], TREND
    elif rsi[t] < rsi_low[k] and low[t] <= lower[t] and regime[t] == MEAN_REVERSION:
        risk, own[DISTANCE], own[NEXT_MODE] = 0.0075, 0.03 * close[t], REVERSION
    if risk > 0.0 and stopped == 0.0:
        equity = c.last_cash[k]  # flat: all of it
        own[QTY] = np.floor(min(equity * risk / own[DISTANCE], equity * SHARE / close[t]))
        own[PENDING] = 1.0 if own[QTY] > 0.0 else 0.0
    return -1, NoOrder


def rich_orders(n_bars: int, n_trials: int, chunk: int) -> dict[str, Any]:
    """`from_order_func`: the rule itself, with the stop where it belongs."""
    bars, x, trials = _rich_inputs(n_bars, n_trials)
    prices = (bars["open"], bars["high"], bars["low"], bars["close"])

    def one_chunk(first: int, last: int) -> Any:
        close = np.broadcast_to(bars["close"][:, None], (n_bars, last - first))
        return vbt.Portfolio.from_order_func(
            close,
            _rich_orders,
            prices,
            x,
            tuple(values[first:last] for values in trials),
            np.zeros((last - first, N_MEMORY)),
            flexible=True,
            init_cash=CASH,
            fill_pos_record=False,
            call_pre_segment=False,
            call_post_segment=False,
            max_orders=n_bars * (last - first),
            freq="1min",
            engine=ENGINE,
        )

    return _run(one_chunk, n_bars, n_trials, chunk)


if __name__ == "__main__":
    vbt.settings.array_wrapper["freq"] = "1min"
    rust = ""
    if ENGINE == "rust":
        import vectorbt_rust

        rust = f" with vectorbt-rust {getattr(vectorbt_rust, '__version__', '')}".rstrip()
    operations = {"sma_cross": sma_cross, "rich_signals": rich_signals, "rich_orders": rich_orders}
    gc.collect()
    gc.freeze()  # what was imported need not be looked through after every chunk
    serve(operations, {"engine": f"vectorbt {vbt.__version__}{rust}"})
