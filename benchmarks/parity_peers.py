"""Whether another backtester makes the same trades: ``make parity-peers``.

Random markets and random signals go through FluxHero and through vectorbt, which lives in an environment of
its own (see ``peers.py``); then every finished trade is compared with its counterpart, and equity at every
close. Sides, costs, sizes and cuts to the cash differ from case to case. vectorbt runs each case twice: by
its signals, told the sizes that FluxHero decided, and by its orders, sizing by itself.

    python benchmarks/parity_peers.py --bars 2000 --symbols 20
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxhero.benchmarks.peers import ROOT, SIDES, PeersError, Side, install, python_of, say

RULE = ROOT / "benchmarks" / "strategies" / "told.py"
SAME = 1e-9  # relative difference up to which two numbers are the same
CASH = 100_000.0
FEWEST_BARS = 50
WAYS = {"signals": "from_signals", "orders": "from_order_func"}

BUY, LEAVE_LONG, SELL_SHORT, LEAVE_SHORT = 1.0, 2.0, 3.0, 4.0
LONG, SHORT = (BUY, LEAVE_LONG), (SELL_SHORT, LEAVE_SHORT)
FREE = {"per_share": 0.0, "per_order": 0.0, "rate": 0.0, "slippage": 0.0}
ALL_COSTS = {"per_share": 0.005, "per_order": 1.0, "rate": 0.0003, "slippage": 0.0005}

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One way to trade the same markets."""

    name: str
    signals: tuple[float, ...]
    costs: dict[str, float]
    share: float = 0.2  # of equity, per position at most
    risk: float = 2.0  # of equity, value of an entry before that limit
    lots: float = 1.0  # per unit
    opposite_closes: bool = False


CASES = (
    Case("long, no costs", LONG, FREE),
    Case("long, commission per share", LONG, {**FREE, "per_share": 0.005}),
    Case("long, commission per order", LONG, {**FREE, "per_order": 1.0}),
    Case("long, commission on value", LONG, {**FREE, "rate": 0.001}),
    Case("long, slippage", LONG, {**FREE, "slippage": 0.001}),
    Case("long, all costs", LONG, ALL_COSTS),
    Case("long, sized by risk", LONG, ALL_COSTS, share=1.0, risk=0.13),
    Case("long, all in, cut to cash", LONG, ALL_COSTS, share=1.0),
    # Not finer: vectorbt takes a rest of cash below 1e-9 of what there was for nothing.
    Case("long, lots of 1/8", LONG, ALL_COSTS, share=1.0, lots=8.0),
    Case("short, no costs", SHORT, FREE),
    Case("short, all costs", SHORT, ALL_COSTS),
    Case("short, all in, cut to cash", SHORT, ALL_COSTS, share=1.0),
    Case("both sides", LONG + SHORT, ALL_COSTS),
    Case("both sides, opposite closes", LONG + SHORT, ALL_COSTS, share=0.5, opposite_closes=True),
)

# Columns of the table: what is compared there, and what it is relative to (itself where nothing is said).
SHOWN = {
    "bars, side": ("entry_bar", "exit_bar", "side", "symbol"),
    "size": ("size",),
    "prices": ("entry_price", "exit_price"),
    "fees": ("entry_fees", "exit_fees"),
    "pnl": ("pnl",),
    "equity": ("equity",),
    "final": ("final",),
}
NOTES = (
    "differences are the largest, relative to the number itself; of pnl, to the value of the entry",
    "equity: at every close of every market; final: the last one",
    "cut: entries that cash could not pay in full at the open",
)


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    n_bars: int
    n_symbols: int
    seed: int
    env: Path


@dataclass(frozen=True)
class Row:
    """One case against one way of vectorbt."""

    case: str
    way: str
    n_trades: int
    n_theirs: int
    n_cut: int
    differences: dict[str, float]  # one per column of SHOWN

    @property
    def is_same(self) -> bool:
        """Whether the number of trades is equal and no difference is above SAME; NaN is one."""
        return self.n_trades == self.n_theirs and all(value <= SAME for value in self.differences.values())


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="parity_peers.py", description="Compare FluxHero's trades with vectorbt's, one by one."
    )
    parser.add_argument("--bars", type=int, default=2_000, help="bars of each market (default: %(default)s)")
    parser.add_argument("--symbols", type=int, default=20, help="markets (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of markets and signals (default: %(default)s)")
    parser.add_argument("--env", type=Path, default=ROOT / ".venv-peers", help="vectorbt's environment")
    given = parser.parse_args(arguments)
    for name, least in (("bars", FEWEST_BARS), ("symbols", 1), ("seed", 0)):
        if (value := getattr(given, name)) < least:
            parser.error(f"--{name} must be at least {least}, was {value}")
    return Options(given.bars, given.symbols, given.seed, given.env)


# ---- what both are given


def random_prices(n_bars: int, n_symbols: int, seed: int) -> tuple[Any, Any]:
    """Opens and closes, (n_bars, n_symbols): a walk with gaps, so that an open is not the close before."""
    import numpy as np

    rng = np.random.default_rng(seed)
    moves = rng.normal(0.0, 0.01, (n_bars, n_symbols))
    gaps = rng.normal(0.0, 0.004, (n_bars, n_symbols))
    close = 80.0 * np.exp(np.cumsum(moves + gaps, axis=0) - 0.5 * np.arange(n_bars)[:, None] * 1.2e-4)
    return np.ascontiguousarray(close / np.exp(moves)), close


def random_signals(case: Case, n_bars: int, n_symbols: int, seed: int) -> Any:
    """Codes of ``told.py``, (n_bars, n_symbols): nothing on two bars of three, else any of the case's."""
    import numpy as np

    rng = np.random.default_rng([seed, CASES.index(case)])
    told = rng.choice(np.array(case.signals), (n_bars, n_symbols))
    return np.where(rng.random((n_bars, n_symbols)) < 1.0 / 3.0, told, 0.0)


# ---- our side


def trade(case: Case, open_: Any, close: Any, signal: Any) -> tuple[Arrays, Any, int]:
    """Run a case through FluxHero: trades and equity, the size decided at each bar, and how many were cut."""
    import numpy as np

    import fluxhero as fx

    n_bars, n_symbols = close.shape
    start = np.datetime64("2024-01-01", "ns")
    market = fx.from_arrays(
        [f"S{i:03d}" for i in range(n_symbols)],
        start + np.arange(1, n_bars + 1) * np.timedelta64(1, "h"),
        open_.T,
        np.maximum(open_, close).T,
        np.minimum(open_, close).T,
        close.T,
        signal.T,
        timeframe="1h",
        lot_size=1.0 / case.lots,
    )
    run = fx.backtest(
        str(RULE),
        market,
        params={"risk": case.risk, "opposite_closes": int(case.opposite_closes)},
        costs=fx.Costs(
            commission_per_share=case.costs["per_share"],
            commission_per_order=case.costs["per_order"],
            commission_rate=case.costs["rate"],
            slippage=case.costs["slippage"],
            impact=0.0,
            borrow_rate=0.0,
        ),
        risk=fx.Risk(max_position=case.share, max_deployed=case.share, cash_rate=0.0, risk_free_rate=0.0),
        initial_cash=CASH,
    )
    row_of = {str(name): row for row, name in enumerate(market["symbol"].values)}
    bar_of = {stamp: bar for bar, stamp in enumerate(market["time"].values.astype(np.int64))}

    def rows(column: Any) -> Any:
        return np.array([row_of[name] for name in column], dtype=np.int64)

    def bars(column: Any) -> Any:
        return np.array([bar_of[stamp] for stamp in column.to_numpy().astype(np.int64)], dtype=np.int64)

    entries = run.orders[(run.orders["kind"] == "market") & run.orders["stop_distance"].notna()]
    size = np.full((n_bars, n_symbols), np.nan)
    size[bars(entries["time"]), rows(entries["symbol"])] = entries["qty"]
    trades, fills = run.trades, run.fills
    fee = {
        (name, stamp): paid
        for name, stamp, paid in zip(fills["symbol"], fills["time"], fills["commission"], strict=True)
    }

    def fees(column: str) -> Any:
        return np.array([fee[key] for key in zip(trades["symbol"], trades[column], strict=True)])

    found = {
        "symbol": rows(trades["symbol"]),
        "entry_bar": bars(trades["entry_time"]),
        "exit_bar": bars(trades["exit_time"]),
        "side": trades["side"].to_numpy(),
        "size": trades["qty"].to_numpy(),
        "entry_price": trades["entry_price"].to_numpy(),
        "exit_price": trades["exit_price"].to_numpy(),
        "entry_fees": fees("entry_time"),
        "exit_fees": fees("exit_time"),
        "pnl": trades["pnl"].to_numpy(),
        "equity": np.ascontiguousarray(run.equity.values.T),
    }
    return found, size, int(entries["outcome"].str.startswith("filled ").sum())


# ---- the comparison


def compare(case: str, way: str, ours: Arrays, theirs: Arrays, n_cut: int) -> Row:
    """Trades one by one, equity close by close."""
    import numpy as np

    n_ours, n_theirs = len(ours["size"]), len(theirs["size"])
    if n_ours != n_theirs:
        missing = dict.fromkeys(SHOWN, float("nan"))
        return Row(case, way, n_ours, n_theirs, n_cut, missing)
    mine, other = ({**side, "final": side["equity"][-1]} for side in (ours, theirs))
    scale = {"pnl": mine["size"] * mine["entry_price"]}  # a profit may be next to nothing
    found = {
        column: float(np.max([_largest(mine[name], other[name], scale.get(name)) for name in names]))
        for column, names in SHOWN.items()
    }
    return Row(case, way, n_ours, n_theirs, n_cut, found)


def _largest(ours: Any, theirs: Any, scale: Any = None) -> float:
    """Largest relative difference; what is equal differs by nothing, even from 0."""
    import numpy as np

    ours, theirs = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if ours.shape != theirs.shape:
        return float("nan")
    if not ours.size:
        return 0.0
    apart = np.abs(ours - theirs)
    size = np.maximum(np.abs(ours), np.abs(theirs)) if scale is None else np.abs(scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(apart == 0.0, 0.0, apart / size)))


def run_case(case: Case, options: Options, rival: Side, folder: Path) -> list[Row]:
    """One case through both engines."""
    import numpy as np

    open_, close = random_prices(options.n_bars, options.n_symbols, options.seed)
    signal = random_signals(case, options.n_bars, options.n_symbols, options.seed)
    ours, size, n_cut = trade(case, open_, close, signal)
    np.savez(folder / "case.npz", open=open_, close=close, signal=signal, size=size)
    rows = []
    for way, title in WAYS.items():
        rival.ask(
            way,
            case="case",
            costs={**case.costs, "cash": CASH},
            share=case.share,
            risk=case.risk,
            lots=case.lots,
            opposite_closes=case.opposite_closes,
            save=str(folder / "theirs.npz"),
        )
        with np.load(folder / "theirs.npz") as theirs:
            rows.append(compare(case.name, title, ours, dict(theirs), n_cut))
    return rows


# ---- what people see


def show(rows: Sequence[Row], engine: str, options: Options) -> None:
    """The table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"FluxHero against {engine}: {options.n_symbols} markets of {options.n_bars:,} bars",
        box=box.SIMPLE,
        title_justify="left",
    )
    for name in ("case", "vectorbt by"):
        table.add_column(name)
    for name in ("trades", "cut", *SHOWN):
        table.add_column(name, justify="right")
    for row in rows:
        counts = (
            f"{row.n_trades:,}" if row.n_trades == row.n_theirs else f"{row.n_trades:,} and {row.n_theirs:,}"
        )
        figures = ["0" if value == 0.0 else f"{value:.1e}" for value in row.differences.values()]
        table.add_row(
            row.case, row.way, counts, f"{row.n_cut:,}", *figures, style=None if row.is_same else "bold red"
        )
    console = Console(width=max(Console().width, 140))
    console.print(table)
    for note in NOTES:
        console.print(f"  {note}", highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, run, compare, show; 1 if anything differs or could not be run."""
    options = parse(arguments)
    started = time.perf_counter()
    rows: list[Row] = []
    try:
        install(options.env, ("numba",))
        with tempfile.TemporaryDirectory(prefix="fluxhero-parity-") as name:
            folder = Path(name)
            program = [python_of(options.env), SIDES / "vectorbt_orders.py", folder]
            with Side("vectorbt", program, folder) as rival:
                for case in CASES:
                    say(case.name)
                    rows += run_case(case, options, rival, folder)
                engine = rival.engine
    except PeersError as error:
        say(f"parity: {error}")
        return 1
    show(rows, engine, options)
    n_trades, n_wrong = sum(row.n_trades for row in rows), sum(not row.is_same for row in rows)
    verdict = f"{n_wrong} of {len(rows)} differ" if n_wrong else f"all equal to {SAME:g}"
    took = time.perf_counter() - started
    sys.stdout.write(f"  {n_trades:,} comparisons of a trade, {verdict}; {took:.0f} s\n")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
