"""``fluxhero bench``: how fast this machine sweeps and streams."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import note, say, say_json

if TYPE_CHECKING:
    import xarray as xr

_STRATEGY = "dual_mode"
_ROUNDS = 3  # each thread count in turn; the median counts
_WARM_ROWS = 800  # rows of a stream before the clock runs: features are known by then


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer trials and symbols: some seconds.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
) -> None:
    """Measure the sweep (ns per bar and trial) and the stream (time per row of bars) on invented bars."""
    from ...adapters.sample_market import sample_market
    from ...engine.sweep import sweep

    market = sample_market(2, sessions=252)
    grid = _grid(1_024 if quick else 4_096)
    note("compiling and warming up")
    sweep(_STRATEGY, market.isel(time=slice(0, 2_000)), grid=grid, n_threads=1, decision_timeframe="1h")
    sweeps = _time_sweeps(market, grid)
    stream = _time_stream(n_symbols=20 if quick else 100)
    if json:
        say_json({"strategy": _STRATEGY, "sweep": sweeps, "stream": stream})
        return
    _tell(sweeps, stream)


def _tell(sweeps: list[dict[str, Any]], stream: dict[str, Any]) -> None:
    from ...engine.reports.formats import count, plural

    first = sweeps[0]
    size = f"{count(first['n_trials'])} trials x {first['n_symbols']} symbols x {count(first['n_bars'])} bars"
    say(f"sweep: {_STRATEGY}, {size} of a minute, decisions every hour")
    for row in sweeps:
        pace = f"{row['ns_per_bar_trial']:.2f} ns per bar and trial ({row['elapsed_s']:.2f} s)"
        faster = f", {first['elapsed_s'] / row['elapsed_s']:.2f} times as fast" if row is not first else ""
        say(f"  {plural(row['n_threads'], 'thread')}: {pace}{faster}")
    say(f"stream: {_STRATEGY}, {stream['n_symbols']} symbols, a decision on every minute")
    say(f"  {stream['median_ms']:.2f} ms per row in the median, 99th percentile {stream['p99_ms']:.2f} ms")


def _grid(n_trials: int) -> dict[str, list[float]]:
    """Axes of dual mode whose features are shared by most trials, as in the demo."""
    from ...engine.config import linspace

    n_entry = n_trials // 32
    return {
        "entry_atr": linspace(0.1, 2.0, n_entry),
        "trail_atr": linspace(1.0, 4.0, 8),
        "rsi_low": [20.0, 25.0, 30.0, 35.0],
    }


def _time_sweeps(market: "xr.Dataset", grid: dict[str, list[float]]) -> list[dict[str, Any]]:
    """One row per thread count; the counts take turns, so that a busy moment hits both."""
    import statistics

    from ...engine.sweep import sweep

    elapsed: dict[int, list[float]] = {1: [], 2: []}
    for i in range(_ROUNDS):
        note(f"sweeping, round {i + 1} of {_ROUNDS}")
        for n_threads, found in elapsed.items():
            started = time.perf_counter()
            sweep(_STRATEGY, market, grid=grid, n_threads=n_threads, decision_timeframe="1h")
            found.append(time.perf_counter() - started)
    n_trials = 1
    for values in grid.values():
        n_trials *= len(values)
    size = {"n_trials": n_trials, "n_symbols": market.sizes["symbol"], "n_bars": market.sizes["time"]}
    work = size["n_trials"] * size["n_symbols"] * size["n_bars"]
    return [
        {
            "n_threads": n_threads,
            **size,
            "elapsed_s": statistics.median(found),
            "ns_per_bar_trial": statistics.median(found) * 1e9 / work,
        }
        for n_threads, found in elapsed.items()
    ]


def _time_stream(n_symbols: int) -> dict[str, Any]:
    """Time of one row of bars for all symbols, decisions included."""
    import numpy as np

    from ...adapters.sample_market import sample_market
    from ...engine.stream import Stream

    note(f"streaming {n_symbols} symbols")
    market = sample_market(n_symbols, sessions=4)
    stream = Stream.for_market(_STRATEGY, market)
    fields = ("open", "high", "low", "close", "volume")
    tables = np.stack([market[name].values.T for name in fields], axis=-1)  # (time, symbol, field)
    close_ns = market["time"].values.astype(np.int64)
    session_close_ns = market["session_close"].values.astype(np.int64)
    elapsed = np.empty(len(close_ns))
    for t in range(len(close_ns)):
        table = np.ascontiguousarray(tables[t])
        started = time.perf_counter()
        stream.advance_row(int(close_ns[t]), int(session_close_ns[t]), table)
        elapsed[t] = time.perf_counter() - started
    median, p99 = np.percentile(elapsed[_WARM_ROWS:], [50.0, 99.0]) * 1e3
    return {"n_symbols": n_symbols, "n_rows": len(elapsed), "median_ms": median, "p99_ms": p99}
