"""The audit: does a rule, or anything that it reads, know the future?

The rule and its features run over a generated market, over many parameters. Then the future is taken away
(the data end at t), poisoned (NaN after t), and replaced (other prices and series after t): everything up to
t must stay equal to the bit. Time is also cut in two, which must change nothing; and the history before a bar
is cut off, which tells how many bars a feature needs until it no longer remembers its start.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..kernels.outcomes import NOT_READY
from ..kernels.tape import TAPE, TAPE_FIELDS
from ..kernels.types import FloatArray, IntArray
from .abilities import variant_for
from .compile import compile_strategy
from .constants import lane_constants
from .errors import ParameterError
from .facts import fact_features
from .features import FeatureGraph, build_graph, build_whole_graph
from .fingerprint import reached_arrays
from .lanes import Instrument, Lanes
from .layout import Variant
from .preparation import Preparation
from .setup import Setup, make_setup
from .strategy import Param, Strategy, load_strategy
from .timeframe import DAY_NS, timeframe_ns

START_NS = 1_704_067_200_000_000_000  # 2024-01-01, a Monday, 00:00 UTC
DRAWS = 50
TOLERANCE = 1e-9  # relative; a feature that agrees this well has forgotten its start


@dataclass(frozen=True)
class Finding:
    """One place where the future showed."""

    test: str  # "truncation", "poison", "other future", "split"
    what: str  # "feature `kama`" or "the tape's `action`"
    row: int  # first bar that differs
    cut: int  # the future began here
    params: dict[str, float]

    def text(self) -> str:
        """The finding in words."""
        told = ", ".join(f"{name}={value:g}" for name, value in self.params.items()) or "defaults"
        if self.test == "split":
            return f"{self.what} at bar {self.row} depends on where time is split (at bar {self.cut}); {told}"
        return f"{self.what} at bar {self.row} changes with data from bar {self.cut} on ({self.test}); {told}"


@dataclass(frozen=True)
class AuditReport:
    """What the audit found."""

    strategy: str
    n_trials: int
    n_cuts: int
    n_bars: int
    n_decisions: int
    findings: tuple[Finding, ...]
    warmups: dict[str, int]  # feature -> decision bars until its value no longer depends on its start
    warnings: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether the rule was tried, and nothing depends on the future."""
        return not self.findings and self.n_decisions > 0

    def text(self) -> str:
        """The report for people."""
        lines = [
            f"{self.strategy}: {self.n_trials} parameter sets, {self.n_cuts} cuts each, {self.n_bars} bars, "
            f"{self.n_decisions} decisions"
        ]
        lines += [f"  LOOKS AHEAD: {finding.text()}" for finding in self.findings[:20]]
        if len(self.findings) > 20:
            lines.append(f"  and {len(self.findings) - 20} more")
        lines += [f"  warning: {warning}" for warning in self.warnings]
        lines.append("  bars until a value no longer depends on where history starts (decision timeframe):")
        lines += [
            f"    {name}: {'more than this market has' if bars < 0 else bars}"
            for name, bars in self.warmups.items()
        ]
        told = "passed, as far as data can show it" if self.warnings else "passed"
        lines.append(f"  {told}: nothing up to t depends on what comes after t" if self.ok else "  FAILED")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "strategy": self.strategy,
            "ok": self.ok,
            "n_trials": self.n_trials,
            "n_cuts": self.n_cuts,
            "n_bars": self.n_bars,
            "n_decisions": self.n_decisions,
            "findings": [vars(finding) | {"text": finding.text()} for finding in self.findings],
            "warmups": self.warmups,
            "warnings": list(self.warnings),
        }


class _Bars(NamedTuple):
    close_ns: IntArray
    session_close_ns: IntArray
    table: FloatArray  # (n_bars, 5)
    series: Mapping[str, FloatArray]  # from outside, (n_bars,) each

    def part(self, start: int, stop: int) -> "_Bars":
        """A stretch of time."""
        return _Bars(
            self.close_ns[start:stop],
            self.session_close_ns[start:stop],
            self.table[start:stop],
            {name: values[start:stop] for name, values in self.series.items()},
        )

    def until(self, cut: int, future: "_Bars | None") -> "_Bars":
        """The same past with another future; without one all that comes is unknown."""
        table, series = self.table.copy(), {name: values.copy() for name, values in self.series.items()}
        table[cut:] = np.nan if future is None else future.table[cut:]
        for name, values in series.items():
            values[cut:] = np.nan if future is None else future.series[name][cut:]
        return self._replace(table=table, series=series)


class _Seen(NamedTuple):
    """What a run knew: features per decision, and the tape."""

    rows: IntArray  # bar on which each decision was made
    features: FloatArray  # (n_decisions, n_features)
    tape: FloatArray


def check_strategy(
    strategy: str | Path | Strategy,
    *,
    n_trials: int = 8,
    n_cuts: int = 12,
    n_bars: int = 6_000,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Audit a strategy for look-ahead, over its defaults and `n_trials` random parameter sets.

    Parameters
    ----------
    strategy : str, path or Strategy
    n_trials, n_cuts, n_bars : int
        How much is tried.
    seed : int
        Of the generated market and of the parameter sets.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    AuditReport
        ``ok`` is False when something up to bar t changed with the data after it.

    Raises
    ------
    StrategyError, NotFoundError
        If the strategy cannot be loaded or compiled.
    """
    loaded = load_strategy(strategy)
    rng = np.random.default_rng(seed)
    fine, decision = _timeframes(loaded)
    bars = _with_series(_market(rng, n_bars, fine), loaded, seed)
    other = _with_series(_market(np.random.default_rng(seed + 1), n_bars, fine), loaded, seed + 1)
    cuts = np.sort(rng.choice(np.arange(n_bars // 4, n_bars), size=n_cuts, replace=False))
    trials = [{}, *(_draws(loaded, rng, n_trials) if loaded.params else ())]
    findings: list[Finding] = []
    warmups: dict[str, int] = {}
    n_decisions = 0
    for done, params in enumerate(trials):
        if progress is not None:
            progress(done, len(trials))
        runner = _Runner(loaded, fine, decision, params)
        whole = runner.run(bars)
        n_decisions += int((whole.tape[whole.rows, TAPE["outcome"]] != NOT_READY).sum())
        if not params:
            warmups = _warmups(runner, bars, whole)
        for cut in cuts:
            for test, seen in _futures(runner, bars, other, int(cut)):
                findings += _differences(test, runner, whole, seen, int(cut), params)
    if progress is not None:
        progress(len(trials), len(trials))
    return AuditReport(
        strategy=loaded.name if loaded.is_builtin else str(loaded.path),
        n_trials=len(trials),
        n_cuts=n_cuts,
        n_bars=n_bars,
        n_decisions=n_decisions,
        findings=tuple(findings),
        warmups=warmups,
        warnings=tuple(_warnings(loaded, n_decisions)),
    )


def _timeframes(strategy: Strategy) -> tuple[str, str]:
    """Bars and decision bars to audit on: coarser decisions, so that every clock is at work."""
    named = [feature.timeframe for feature in strategy.features.values() if feature.timeframe]
    shortest = min(named, key=timeframe_ns, default="15m")
    return ("15m", "1h") if timeframe_ns(shortest) >= timeframe_ns("15m") else (shortest, "1h")


def _market(rng: np.random.Generator, n_bars: int, timeframe: str) -> _Bars:
    """A market with trends, quiet and wild stretches, gaps, missing bars; 24 hours a day."""
    length = timeframe_ns(timeframe)
    close_ns = START_NS + length * np.arange(1, n_bars + 1, dtype=np.int64)
    session_close_ns = (close_ns + DAY_NS - 1) // DAY_NS * DAY_NS
    stretch = np.arange(n_bars) // 400
    drift = rng.normal(0.0, 4e-4, stretch[-1] + 1)[stretch]
    volatility = np.exp(rng.normal(-6.0, 0.6, stretch[-1] + 1))[stretch]
    steps = drift + volatility * rng.standard_t(4, n_bars)
    close = np.round(100.0 * np.exp(np.cumsum(steps)), 2)
    gap = np.where(rng.random(n_bars) < 0.01, volatility * rng.normal(0.0, 8.0, n_bars), 0.0)
    open_ = np.round(np.r_[100.0, close[:-1]] * np.exp(gap), 2)
    wick = np.abs(volatility * rng.normal(0.0, 1.0, (2, n_bars)))
    high = np.round(np.maximum(open_, close) * (1.0 + wick[0]), 2)
    low = np.round(np.minimum(open_, close) * (1.0 - wick[1]), 2)
    volume = np.round(np.exp(rng.normal(8.0, 1.0, n_bars)))
    low, open_, close = (np.maximum(price, 0.01) for price in (low, open_, close))
    table = np.column_stack([open_, np.maximum.reduce([high, open_, close]), low, close, volume])
    table[rng.random(n_bars) < 0.01] = np.nan
    return _Bars(close_ns, session_close_ns, table, {})


def _with_series(bars: _Bars, strategy: Strategy, seed: int) -> _Bars:
    """The same with the series that the rule reads: mostly zeros, then signs, fractions, unknown values."""
    n = len(bars.close_ns)
    series = {}
    for i, name in enumerate(strategy.series):
        rng = np.random.default_rng([seed, i])
        kind = rng.random(n)
        values = np.where(kind < 0.15, rng.choice([-1.0, 1.0], n), rng.uniform(-1.0, 1.0, n))
        values[kind >= 0.3] = 0.0
        values[rng.random(n) < 0.02] = np.nan
        series[name] = values
    return bars._replace(series=series)


def _draws(strategy: Strategy, rng: np.random.Generator, n: int) -> Iterator[dict[str, float]]:
    """Random parameter sets within bounds, near the defaults and far from them in turn."""
    for i in range(n):
        for _ in range(DRAWS):
            drawn = {name: _draw(param, rng, near=i % 2 == 0) for name, param in strategy.params.items()}
            try:
                build_graph(strategy, {name: np.array([value]) for name, value in drawn.items()}, "1h")
            except ParameterError:  # settings that contradict each other: draw again
                continue
            yield drawn
            break


def _draw(param: Param, rng: np.random.Generator, *, near: bool) -> float:
    if param.choices is not None:
        return float(rng.choice(list(param.choices.values())))
    low, high = param.low, param.high
    if near:
        low, high = max(low, param.default / 2), min(high, param.default * 2)
        low, high = min(low, high), max(low, high)
    value = rng.uniform(low, high)
    whole = (
        float(param.default).is_integer() and float(param.low).is_integer() and param.high - param.low >= 2
    )
    return float(np.clip(round(value), param.low, param.high)) if whole else float(value)


class _Runner:
    """One parameter set, ready to run over any bars."""

    def __init__(self, strategy: Strategy, fine: str, decision: str, params: dict[str, float]) -> None:
        self.setup: Setup = make_setup(
            strategy,
            timeframe=fine,
            sessions_per_year=365,
            asset_class="crypto",
            decision_timeframe=decision,
            params=params,
        )
        self.strategy = strategy
        self.compiled = compile_strategy(strategy, variant_for(self.setup, Variant(1, tape=True)))
        facts = fact_features(self.setup, self.compiled.variant.facts)
        self.graph: FeatureGraph = build_whole_graph(strategy, self.setup.params, decision, facts)

    def run(self, bars: _Bars, split: int | None = None) -> _Seen:
        """Run over all bars, in one stretch or in two."""
        n_read = len(self.strategy.read_features) + len(self.compiled.layout.facts)
        preparation = Preparation(self.setup, self.graph)
        lanes = Lanes(
            self.compiled,
            lane_constants(self.setup, {}, 1),
            self.graph.lane_columns[:n_read],
            instrument=Instrument(lots=1e8, is_crypto=True),
            initial_cash=self.setup.initial_cash,
        )
        n = len(bars.close_ns)
        edges = [0, n] if split is None else [0, split, n]
        rows, features, tapes = [], [], []
        for start, stop in pairwise(edges):
            part = bars.part(start, stop)
            series = np.array([part.series[name] for name in self.graph.series]).reshape(-1, stop - start)
            tile = preparation.advance(part.close_ns, part.session_close_ns, part.table, series)
            tape = np.zeros((stop - start, len(TAPE_FIELDS)))
            lanes.advance(tile, 0, stop - start, tape=tape)
            decided = np.flatnonzero(tile.rows >= 0)
            rows.append(decided + start)
            features.append(tile.features[tile.rows[decided]][:, self.graph.lane_columns[:, 0]])
            tapes.append(tape)
        return _Seen(np.concatenate(rows), np.concatenate(features), np.concatenate(tapes))


def _futures(runner: _Runner, bars: _Bars, other: _Bars, cut: int) -> Iterator[tuple[str, _Seen]]:
    """The same past with four futures: none, NaN, another, and the same one after a pause."""
    yield "truncation", runner.run(bars.part(0, cut))
    yield "poison", runner.run(bars.until(cut, None))
    yield "other future", runner.run(bars.until(cut, other))
    yield "split", runner.run(bars, split=cut)


def _differences(
    test: str, runner: _Runner, whole: _Seen, seen: _Seen, cut: int, params: dict[str, float]
) -> list[Finding]:
    """First difference of each feature and of each column of the tape, on rows that lie in the past."""
    stop = len(whole.tape) if test == "split" else cut
    found = []
    known = int(np.searchsorted(whole.rows, stop, side="left"))
    if not np.array_equal(whole.rows[:known], seen.rows[:known]):
        return [Finding(test, "when the rule decides", int(whole.rows[0]), cut, params)]
    for i, name in enumerate(runner.graph.names):
        if (row := _first_difference(whole.features[:known, i], seen.features[:known, i])) >= 0:
            found.append(Finding(test, f"feature `{name}`", int(whole.rows[row]), cut, params))
    for name, column in TAPE.items():
        if (row := _first_difference(whole.tape[:stop, column], seen.tape[:stop, column])) >= 0:
            found.append(Finding(test, f"the tape's `{name}`", row, cut, params))
    return found


def _first_difference(expected: FloatArray, found: FloatArray) -> int:
    """First row whose bits differ, -1 if none; all NaN count as one."""
    same = (expected.view(np.int64) == found.view(np.int64)) | (np.isnan(expected) & np.isnan(found))
    return -1 if same.all() else int(np.argmin(same))


def _warmups(runner: _Runner, bars: _Bars, whole: _Seen) -> dict[str, int]:
    """Decision bars that each feature needs until it agrees with one that has seen all of history."""
    needed = dict.fromkeys(runner.graph.names, 0)
    n = len(bars.close_ns)
    for start in (n // 8, n // 4, n // 3):
        late = runner.run(bars.part(start, n))
        skipped = int(np.searchsorted(whole.rows, start + late.rows[0])) if len(late.rows) else 0
        for i, name in enumerate(runner.graph.names):
            expected = whole.features[skipped:, i]
            got = late.features[: len(expected), i]
            apart = ~(
                (np.abs(got - expected) <= TOLERANCE * np.maximum(np.abs(expected), 1e-12))
                | (np.isnan(got) & np.isnan(expected))
            )
            last = int(np.flatnonzero(apart)[-1]) + 1 if apart.any() else 0
            if last >= len(expected) or np.isnan(expected).all() or needed[name] < 0:
                needed[name] = -1
            else:
                needed[name] = max(needed[name], last)
    return needed


def _warnings(strategy: Strategy, n_decisions: int) -> Iterator[str]:
    for name in strategy.series:
        yield (
            f"the series `{name}` is made outside; the audit cannot know whether its values were known at "
            "the closes that they stand at"
        )
    for name, size in reached_arrays(strategy.decide).items():
        if size > 1:
            yield (
                f"`decide` reads `{name}`, {size} numbers that are fixed in the file; the audit cannot know "
                "whether they were taken from the future"
            )
    if not n_decisions:
        yield "the rule was never asked: its features stay unknown on the audit's market, so nothing is shown"
