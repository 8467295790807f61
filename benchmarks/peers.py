"""Another backtester beside ours: the same bars, the same rules, one run. ``make bench-peers``.

The rival is vectorbt, the fastest that we know for sweeps. It lives in an environment of its own
(``.venv-peers``), gets the configuration that was found best for it (chunks of columns, sizes tried on the
spot, its Numba and its Rust engine), and takes turns with ours, so that a busy moment hits both. Compared is
processor time per bar and trial after everything is compiled, peak memory of the process, and the results:
two engines that do not agree are not doing the same work.

    python benchmarks/peers.py --trials 512 --rounds 3
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
SIDES = Path(__file__).resolve().parent / "peer_sides"
REQUIREMENTS = {"numba": "vectorbt==1.2.*", "rust": "vectorbt-rust==1.2.*"}
# vectorbt makes and drops matrices all the time; keeping their pages saves it a fifth (glibc only).
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
MANY = 4_096  # trials of a run of ours beside: what a sweep costs when it is one
WARM_BARS, WARM_TRIALS = 3_000, 8
SAME = 1e-9  # relative difference that counts as the same result


class PeersError(Exception):
    """What stops the comparison, in a sentence."""


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    n_bars: int
    n_trials: int
    n_rounds: int
    chunks: tuple[int, ...]
    engines: tuple[str, ...]
    rules: tuple[str, ...]
    whole: bool
    env: Path
    json: Path | None


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="peers.py", description="Measure vectorbt beside FluxHero on the same bars and rules."
    )
    parser.add_argument("--bars", type=_count, default=100_000, help="minute bars (default: %(default)s)")
    parser.add_argument("--trials", type=_count, default=512, help="trials of both (default: %(default)s)")
    parser.add_argument("--rounds", type=_count, default=3, help="turns each takes (default: %(default)s)")
    parser.add_argument("--chunks", type=_counts, default=(5, 10, 20), help="columns at once, to be tried")
    parser.add_argument("--engine", choices=("numba", "rust", "both"), default="both")
    parser.add_argument("--rule", choices=("sma_cross", "rich", "both"), default="both")
    parser.add_argument(
        "--whole", action="store_true", help="also all columns at once: gigabytes, as users write it"
    )
    parser.add_argument("--env", type=Path, default=ROOT / ".venv-peers", help="vectorbt's environment")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    given = parser.parse_args(arguments)
    if given.bars < WARM_BARS:
        parser.error(f"--bars must be at least {WARM_BARS}, was {given.bars}")
    return Options(
        n_bars=given.bars,
        n_trials=given.trials,
        n_rounds=given.rounds,
        chunks=given.chunks,
        engines=("numba", "rust") if given.engine == "both" else (given.engine,),
        rules=("sma_cross", "rich") if given.rule == "both" else (given.rule,),
        whole=given.whole,
        env=given.env,
        json=given.json,
    )


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, was {value}")
    return value


def _counts(text: str) -> tuple[int, ...]:
    return tuple(_count(part) for part in text.split(","))


# ---- the rival's environment


def python_of(env: Path) -> Path:
    """Interpreter of an environment."""
    return env / ("Scripts" if os.name == "nt" else "bin") / "python"


def install(env: Path, engines: Sequence[str]) -> tuple[str, ...]:
    """Make the environment if it is missing, and return the engines that it has.

    Raises
    ------
    PeersError
        If vectorbt cannot be installed. Without its Rust engine the comparison goes on.
    """
    python = python_of(env)
    if not python.exists():
        say(f"making {env.name} for vectorbt")
        done = subprocess.run([sys.executable, "-m", "venv", str(env)], capture_output=True, text=True)
        if done.returncode:
            raise PeersError(f"cannot make {env}: {_last_line(done.stderr or done.stdout)}")
    present = []
    for engine in ("numba", *(name for name in engines if name != "numba")):
        requirement = REQUIREMENTS[engine]
        module = "vectorbt_rust" if engine == "rust" else "vectorbt"
        find = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        if subprocess.run([str(python), "-c", find]).returncode:
            say(f"installing {requirement} (a minute or two)")
            done = subprocess.run(
                [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement],
                capture_output=True,
                text=True,
            )
            if done.returncode and engine == "rust":
                say(f"no Rust engine for this platform: {_last_line(done.stderr)}")
                continue
            if done.returncode:
                raise PeersError(
                    f"cannot install {requirement} into {env}: {_last_line(done.stderr)}; "
                    "a package index is needed the first time (network, or pip's own settings)"
                )
        present.append(engine)
    return tuple(name for name in present if name in engines)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no message"])[-1]


# ---- what both are given


def prepare(folder: Path, n_bars: int, n_trials: int) -> None:
    """Write bars, trials and the features of the rich rule, which vectorbt gets ready made."""
    import numpy as np

    from fluxhero.adapters.sample_market import sample_market
    from fluxhero.engine.market import symbol_bars
    from fluxhero.kernels import functions as ta

    market = sample_market(1, sessions=min(n_bars // 370 + 3, 5_040)).dropna("time")
    market = market.isel(time=slice(0, n_bars))
    if market.sizes["time"] < n_bars:
        raise PeersError(f"--bars was {n_bars}, the sample market has {market.sizes['time']}")
    bars = symbol_bars(market, str(market["symbol"].values[0]))
    fields: dict[str, Any] = {"time": bars.ts_ns, "session": bars.session_ns}
    fields["session_close"] = bars.session_close_ns
    fields |= {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    np.savez(folder / "bars.npz", **fields)

    high, low, close = bars.high, bars.low, bars.close
    kama, atr = ta.kama(close, lookback=10), ta.atr(high, low, close, lookback=14)
    bands = ta.bollinger(close, lookback=20, n_std=2.0)
    adx = ta.adx(high, low, close, lookback=14)
    fit = ta.linear_regression(close, lookback=50)
    np.savez(
        folder / "features.npz",
        kama=kama,
        atr=atr,
        previous_close=ta.previous(close),
        previous_kama=ta.previous(kama),
        previous_atr=ta.previous(atr),
        rsi=ta.rsi(close, lookback=14),
        lower_band=bands.lower,
        middle_band=bands.middle,
        regime=ta.regime(adx.adx, fit.r_squared).state,
    )
    for suffix, n in (("", n_trials), ("_many", max(MANY, n_trials))):
        rng = np.random.default_rng(7)
        n_side = math.ceil(math.sqrt(n))
        fast, slow = np.meshgrid(
            5.0 + 5.0 * np.arange(n_side), 20.0 + 5.0 * n_side + 20.0 * np.arange(n_side)
        )
        np.savez(
            folder / f"sma_cross{suffix}.npz",
            fast=fast.reshape(-1)[:n],
            slow=slow.reshape(-1)[:n],
        )
        np.savez(
            folder / f"dual_mode{suffix}.npz",
            entry_atr=rng.uniform(0.1, 2.0, n),
            exit_atr=rng.uniform(0.1, 1.5, n),
            trail_atr=rng.uniform(1.0, 6.0, n),
            rsi_low=rng.uniform(20.0, 40.0, n),
        )


# ---- the two sides


class Side:
    """An engine in a process of its own, asked over its standard input."""

    def __init__(
        self, name: str, command: Sequence[str | Path], folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env=dict(os.environ) | dict(env or {}),
            )
        self.engine = str(self._answer()["engine"])

    def ask(self, call: str, **arguments: Any) -> dict[str, Any]:
        """Have something done.

        Raises
        ------
        PeersError
            If it failed, or the process died.
        """
        if self.process.stdin is None:
            raise PeersError(f"{self.name} cannot be asked")
        try:
            self.process.stdin.write(json.dumps({"call": call, **arguments}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        answer = self._answer()
        if "error" in answer:
            raise PeersError(f"{self.name}: {call} failed: {answer['error']}")
        return answer

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> PeersError:
        self.process.wait()
        told = _last_line(self.log.read_text(errors="replace"))
        return PeersError(f"{self.name} ended with code {self.process.returncode}: {told}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()


@dataclass
class Entry:
    """One configuration of one engine on one rule, and what was measured of it."""

    side: Side
    configuration: str
    call: str
    arguments: dict[str, Any]
    n_trials: int
    is_exact: bool = True  # whether its rule is ours to the last detail
    cpu_ns: list[float] = field(default_factory=list)  # per bar and trial, one per round
    wall_ns: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    agreement: str = ""

    def run(self, n_bars: int, n_trials: int | None = None, save: Path | None = None) -> dict[str, Any]:
        """Run it once."""
        more = {"save": str(save)} if save else {}
        return self.side.ask(
            self.call, n_bars=n_bars, n_trials=n_trials or self.n_trials, **self.arguments, **more
        )

    def measure(self, n_bars: int, save: Path | None = None) -> None:
        """Run it once and keep the figures."""
        took, work = self.run(n_bars, save=save), n_bars * self.n_trials
        self.cpu_ns.append(took["cpu_s"] / work * 1e9)
        self.wall_ns.append(took["wall_s"] / work * 1e9)
        self.peak_mb = max(self.peak_mb, took["peak_mb"])

    @property
    def ns(self) -> float:
        """Processor time per bar and trial, median of the rounds."""
        return statistics.median(self.cpu_ns)

    def ratio_to(self, other: "Entry") -> float:
        """How many times as long as another, median of the rounds' ratios."""
        pairs = zip(self.cpu_ns, other.cpu_ns, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


CONFIGURATIONS = {
    "sma_cross": {"sma_cross": ("from_signals", False)},
    "rich": {
        "rich_signals": ("from_signals, stops approximate", False),
        "rich_orders": ("from_order_func, exact", True),
    },
}
TITLES = {
    "sma_cross": "cross of two moving averages, all in",
    "rich": "KAMA/ATR trend with a trailing stop, RSI/Bollinger reversion with a fixed one, regimes",
}
NOTES = {
    "sma_cross": (
        "vectorbt sizes at the fill, FluxHero at the close that decided: a share more or less per trade",
        "vectorbt knows no fee per share: it gets one per value, off by the slippage (1e-4 of the fee)",
        "means that meet exactly round differently in every engine, and a cross more or less follows",
    ),
    "rich": (
        "features are handed to vectorbt ready made; FluxHero computes them within its time",
        "approximate: stops are fractions fixed at the entry, not ATRs that move; none acts on the entry's "
        "bar; the loop that makes the signals does not see stop-outs",
        "exact: an order function that carries the stop; sizes, fills and costs as ours",
    ),
}
COMMON_NOTES = (
    "processor time of one thread with everything compiled; signals, portfolio and metrics included",
    "FluxHero computes 11 metrics per trial, vectorbt 5, most of them by a loop made for it here",
    "peak memory is that of the process, its imports and bars included",
)


def compete(rule: str, ours: Side, rivals: Sequence[Side], options: Options, folder: Path) -> list[Entry]:
    """Measure one rule; the first entry is ours."""
    strategy = "dual_mode" if rule == "rich" else rule
    n_bars, n_trials = options.n_bars, options.n_trials
    entries = [
        Entry(
            ours, f"sweep, {n_trials:,} trials", "run", {"strategy": strategy, "trials": strategy}, n_trials
        )
    ]
    for rival in rivals:
        for call, (text, is_exact) in CONFIGURATIONS[rule].items():
            if call == "rich_orders" and rival.name == "rust":
                continue  # a callback runs in Numba there too
            say(f"{rule}: warming up {rival.engine}, {text}")
            try:
                chunk = _best_chunk(rival, call, options)
            except PeersError as error:
                if rival.name != "rust":
                    raise
                say(f"left out: {error}")
                continue
            chunks = [chunk, n_trials] if options.whole and call != "rich_orders" else [chunk]
            entries += [
                Entry(rival, f"{text}, {n:,} columns at once", call, {"chunk": n}, n_trials, is_exact)
                for n in chunks
            ]
    say(f"{rule}: warming up {ours.engine}")
    entries[0].run(WARM_BARS, min(WARM_TRIALS, n_trials))
    for turn in range(options.n_rounds):
        for i, entry in enumerate(entries):
            entry.measure(n_bars, save=folder / f"{rule}_{i}.npz")
            say(
                f"{rule}: round {turn + 1} of {options.n_rounds}: {entry.side.engine}, "
                f"{entry.configuration}: {entry.cpu_ns[-1]:.1f} ns"
            )
    for i, entry in enumerate(entries[1:], start=1):
        entry.agreement = agreement(folder / f"{rule}_0.npz", folder / f"{rule}_{i}.npz")
    many = Entry(
        ours, f"sweep, {MANY:,} trials", "run", {"strategy": strategy, "trials": f"{strategy}_many"}, MANY
    )
    if n_trials < MANY:
        for _ in range(options.n_rounds):
            many.measure(n_bars)
        entries.insert(1, many)
    return entries


def _best_chunk(rival: Side, call: str, options: Options) -> int:
    """Warm up, then the chunk that is fastest on some of the trials."""
    rival.ask(call, n_bars=WARM_BARS, n_trials=min(WARM_TRIALS, options.n_trials), chunk=4)
    chunks = sorted({min(chunk, options.n_trials) for chunk in options.chunks})
    if len(chunks) == 1:
        return chunks[0]
    n_trials = min(options.n_trials, 2 * chunks[-1])
    took = {
        chunk: min(
            rival.ask(call, n_bars=options.n_bars, n_trials=n_trials, chunk=chunk)["cpu_s"] for _ in range(2)
        )
        for chunk in chunks
    }
    return min(took, key=lambda chunk: took[chunk])


def agreement(ours: Path, theirs: Path) -> str:
    """How far two results agree, in words."""
    import numpy as np

    with np.load(ours) as mine, np.load(theirs) as other:
        is_same = [np.isclose(other[name], mine[name], rtol=SAME, atol=SAME, equal_nan=True) for name in mine]
        difference = np.abs(other["final_equity"] / mine["final_equity"] - 1.0)
        n_trades = mine["n_trades"].sum(), other["n_trades"].sum()
    n_same = int(np.all(is_same, axis=0).sum())
    if n_same == difference.size:
        return f"all metrics of all trials equal to {SAME:g}; {n_trades[0]:,.0f} trades each"
    return (
        f"final equity: median difference {np.median(difference):.1e}, largest {difference.max():.1e}; "
        f"trades {n_trades[1]:,.0f} against {n_trades[0]:,.0f}"
    )


# ---- what people see


def say(text: str) -> None:
    """A line of progress."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def show(rule: str, entries: Sequence[Entry], options: Options) -> None:
    """The table of one rule."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{TITLES[rule]}: {options.n_bars:,} minute bars, {options.n_trials:,} trials",
        box=box.SIMPLE,
        title_justify="left",
    )
    for name in ("engine", "configuration"):
        table.add_column(name, overflow="fold")
    for name in ("ns per bar and trial", "ratio to ours", "peak MB"):
        table.add_column(name, justify="right")
    table.add_column("results against ours", overflow="fold")
    for entry in entries:
        ratio = "" if entry.side is entries[0].side else f"{entry.ratio_to(entries[0]):.1f}"
        table.add_row(
            entry.side.engine,
            entry.configuration,
            f"{entry.ns:.2f}",
            ratio,
            f"{entry.peak_mb:,.0f}",
            entry.agreement,
        )
    console = Console(width=max(Console().width, 130))
    console.print(table)
    for note in NOTES[rule]:
        console.print(f"  {note}", highlight=False)
    console.print()


def record(rule: str, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The figures of one rule as plain data."""
    return [
        {
            "rule": rule,
            "engine": entry.side.engine,
            "configuration": entry.configuration,
            "n_trials": entry.n_trials,
            "cpu_ns": entry.cpu_ns,
            "wall_ns": entry.wall_ns,
            "ratio": 1.0 if entry.side is entries[0].side else entry.ratio_to(entries[0]),
            "peak_mb": entry.peak_mb,
            "is_exact": entry.is_exact,
            "agreement": entry.agreement,
        }
        for entry in entries
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, measure, show."""
    options = parse(arguments)
    started = time.perf_counter()
    try:
        engines = install(options.env, options.engines)
        with tempfile.TemporaryDirectory(prefix="fluxhero-peers-") as name, ExitStack() as stack:
            folder = Path(name)
            say("making bars, trials and features")
            prepare(folder, options.n_bars, options.n_trials)
            ours = stack.enter_context(Side("fluxhero", [sys.executable, SIDES / "ours.py", folder], folder))
            python, program = python_of(options.env), SIDES / "vectorbt_side.py"
            rivals = [
                stack.enter_context(Side(engine, [python, program, folder, engine], folder, KEEP_MEMORY))
                for engine in engines
            ]
            results = {rule: compete(rule, ours, rivals, options, folder) for rule in options.rules}
    except PeersError as error:
        say(f"peers: {error}")
        return 1
    for rule, entries in results.items():
        show(rule, entries, options)
    for note in COMMON_NOTES:
        sys.stdout.write(f"  {note}\n")
    sys.stdout.write(f"  {time.perf_counter() - started:.0f} s in all\n")
    if options.json:
        figures = [row for rule, entries in results.items() for row in record(rule, entries)]
        options.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
