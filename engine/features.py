"""The feature graph: which indicator columns a set of trials needs, each computed once.

Trials that share an indicator's parameters share its column. A column belongs to a timeframe; columns of
one indicator on one level of the graph are computed by one call. ``SymbolFeatures`` drives the graph over
stretches of bars of one symbol and carries its state from one stretch to the next, so that a whole history,
a tile of it and a single live bar give the same bits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..kernels.pick import pick_rows
from ..kernels.registry import INDICATORS, Indicator
from ..kernels.types import FloatArray, IntArray
from .errors import ParameterError, StrategyError
from .strategy import BAR_FIELDS, SERIES, Feature, Series, Strategy, Varying
from .timeframe import timeframe_ns
from .wall_clock import wall_clock

Ref = tuple[str, int]  # timeframe, row of its workspace
PICK = "pick"  # stands for a node that chooses among others, bar by bar
NO_SERIES = np.zeros((0, 0))


class Outside(NamedTuple):
    """A row of a workspace that holds a series from outside."""

    row: int
    series: int  # of the graph's series
    unknown: float  # stands in for NaN; NaN where nothing does


class NodeKey(NamedTuple):
    """What makes a column the same column."""

    timeframe: str
    indicator: str  # or PICK
    settings: tuple[float, ...]
    sources: tuple[int, ...]


@dataclass
class Node:
    """One indicator with one set of parameters on one timeframe."""

    key: NodeKey
    level: int
    rows: tuple[int, ...]  # workspace rows of its outputs
    warmup: int  # decision-timeframe-independent: bars of its own timeframe until it is known


@dataclass(frozen=True)
class Group:
    """Nodes that one compiled call computes: same indicator, level and state size."""

    name: str  # of the indicator, or PICK
    rows: Callable[..., None]  # compiled: (work, src, dst, params, state)
    src: IntArray
    dst: IntArray
    params: FloatArray
    state: FloatArray = field(repr=False)  # fresh; every symbol works on a copy


@dataclass(frozen=True)
class TimeframeGraph:
    """Everything computed on one timeframe."""

    timeframe: str
    n_rows: int
    groups: tuple[Group, ...]
    reads_times: bool
    borrowed: tuple[tuple[int, str, int], ...]  # own row, the longer timeframe and its row that it repeats
    outside: tuple[Outside, ...]


@dataclass(frozen=True)
class FeatureGraph:
    """All unique columns of a set of trials, and which of them each trial reads."""

    decision_timeframe: str
    timeframes: tuple[TimeframeGraph, ...]
    columns: tuple[Ref, ...]  # column of the feature table -> where it comes from
    lane_columns: IntArray  # (n_features, n_trials): column that each trial reads
    names: tuple[str, ...]  # the strategy's features that are read
    warmups: Mapping[str, int]  # timeframe -> longest warm-up, in bars of it
    series: tuple[str, ...]  # from outside, in the order that `SymbolFeatures` takes them in

    @property
    def n_columns(self) -> int:
        """Unique columns; what a row of the feature table holds."""
        return len(self.columns)


class _Builder:
    """Collects nodes while features are resolved."""

    def __init__(self, strategy: Strategy, decision_timeframe: str) -> None:
        self.strategy = strategy
        self.decision_timeframe = decision_timeframe
        self.nodes: dict[NodeKey, Node] = {}
        self.n_rows: dict[str, int] = {}
        self.by_row: dict[Ref, Node] = {}
        self.borrowed: dict[tuple[str, Ref], int] = {}
        self.series: dict[str, int] = {}
        self.outside: dict[tuple[str, str, float | None], int] = {}

    def resolve(self, feature: Feature | Series, values: Mapping[str, float], within: tuple[str, ...]) -> Ref:
        if isinstance(feature, Series):
            return self._resolve_series(feature)
        for name, setting in feature.settings.items():
            if isinstance(setting, Varying):
                return self._resolve_varying(feature, name, setting, values, within)
        indicator = INDICATORS[feature.indicator]
        timeframe = feature.timeframe or self.decision_timeframe
        inputs = feature.on if feature.on is not None else indicator.inputs
        sources = tuple(self._source(source, timeframe, values, within) for source in inputs)
        settings = _settings(feature, indicator, values, within)
        key = NodeKey(timeframe, indicator.name, settings, sources)
        warmup = int(indicator.warmup(*_native(indicator, settings)))
        node = self._node(key, len(indicator.outputs), warmup)
        output = 0 if feature.output is None else indicator.outputs.index(feature.output)
        return timeframe, node.rows[output]

    def _resolve_varying(
        self,
        feature: Feature,
        name: str,
        varying: Varying,
        values: Mapping[str, float],
        within: tuple[str, ...],
    ) -> Ref:
        """The feature with every lookback that it may take, each computed once, and the choice among them."""
        timeframe = feature.timeframe or self.decision_timeframe
        period = self._source(varying.period, timeframe, values, within)
        bank = [
            self.resolve(feature.with_setting(name, n), values, within)[1]
            for n in range(varying.low, varying.high + 1)
        ]
        key = NodeKey(timeframe, PICK, (float(varying.low), float(varying.high)), (period, *bank))
        return timeframe, self._node(key, 1, 0).rows[0]

    def _resolve_series(self, series: Series) -> Ref:
        timeframe = series.timeframe or self.decision_timeframe
        self.series.setdefault(series.name, len(self.series))
        key = (timeframe, series.name, series.unknown)
        if key not in self.outside:
            row = self.n_rows.setdefault(timeframe, len(SERIES))
            self.n_rows[timeframe] = row + 1
            self.outside[key] = row
        return timeframe, self.outside[key]

    def _node(self, key: NodeKey, n_outputs: int, own_warmup: int) -> Node:
        if key not in self.nodes:
            first = self.n_rows.setdefault(key.timeframe, len(SERIES))
            rows = tuple(range(first, first + n_outputs))
            self.n_rows[key.timeframe] = first + n_outputs
            refs = [(key.timeframe, row) for row in key.sources]
            parents = [self.by_row[ref] for ref in refs if ref in self.by_row]
            self.nodes[key] = node = Node(
                key,
                level=1 + max((parent.level for parent in parents), default=0),
                rows=rows,
                warmup=own_warmup + max((parent.warmup for parent in parents), default=0),
            )
            self.by_row |= {(key.timeframe, row): node for row in rows}
        return self.nodes[key]

    def _source(
        self,
        source: "str | Feature | Series",
        timeframe: str,
        values: Mapping[str, float],
        within: tuple[str, ...],
    ) -> int:
        if isinstance(source, str) and source in SERIES:
            self.n_rows.setdefault(timeframe, len(SERIES))
            return SERIES.index(source)
        if not isinstance(source, str) and source.timeframe is None:
            source = source.on_timeframe(timeframe)  # what has no name has no bars of its own either
        if isinstance(source, str):
            if source in within:
                circle = " -> ".join((*within, source))
                raise StrategyError(f"{self.strategy.path}: features read each other in a circle: {circle}")
            within = (*within, source)
            source = self.strategy.features[source]
        found, row = self.resolve(source, values, within)
        return row if found == timeframe else self._borrow(timeframe, (found, row), within[0])

    def _borrow(self, timeframe: str, ref: Ref, name: str) -> int:
        """A row that repeats, bar by bar, the value of the last finished bar of a longer timeframe."""
        if timeframe_ns(ref[0]) < timeframe_ns(timeframe):
            raise StrategyError(
                f"{self.strategy.path}: feature `{name}` on {timeframe} bars reads one on {ref[0]} bars, "
                "which are shorter; compute it on those, or compare the two in `decide`"
            )
        if (timeframe, ref) not in self.borrowed:
            row = self.n_rows.setdefault(timeframe, len(SERIES))
            self.n_rows[timeframe] = row + 1
            self.borrowed[timeframe, ref] = row
        return self.borrowed[timeframe, ref]

    def timeframe_graphs(self) -> tuple[TimeframeGraph, ...]:
        graphs = []
        # The longest first: what a shorter one borrows is there by then.
        for timeframe, n_rows in sorted(self.n_rows.items(), key=lambda item: -timeframe_ns(item[0])):
            mine = [node for node in self.nodes.values() if node.key.timeframe == timeframe]
            grouped: dict[tuple[int, str, int, int], list[tuple[Node, FloatArray]]] = {}
            for node in mine:
                state = _fresh_state(node.key)
                same = (node.level, node.key.indicator, state.size, len(node.key.sources))
                grouped.setdefault(same, []).append((node, state))
            groups = tuple(
                Group(
                    name,
                    pick_rows if name == PICK else INDICATORS[name].rows,
                    np.array([node.key.sources for node, _ in members], dtype=np.int64),
                    np.array([node.rows for node, _ in members], dtype=np.int64),
                    np.array([node.key.settings for node, _ in members], dtype=np.float64).reshape(
                        len(members), -1
                    ),
                    np.array([state for _, state in members]).reshape(len(members), size),
                )
                for (_, name, size, _), members in sorted(grouped.items(), key=lambda item: item[0])
            )
            read = {source for node in mine for source in node.key.sources}
            reads_times = not read.isdisjoint(range(len(BAR_FIELDS), len(SERIES)))
            borrowed = tuple((row, *ref) for (own, ref), row in self.borrowed.items() if own == timeframe)
            outside = tuple(
                Outside(row, self.series[name], np.nan if unknown is None else float(unknown))
                for (own, name, unknown), row in self.outside.items()
                if own == timeframe
            )
            graphs.append(TimeframeGraph(timeframe, n_rows, groups, reads_times, borrowed, outside))
        return tuple(graphs)


def _fresh_state(key: NodeKey) -> FloatArray:
    if key.indicator == PICK:
        return np.zeros(0)
    indicator = INDICATORS[key.indicator]
    return np.asarray(indicator.init(*_native(indicator, key.settings)), dtype=np.float64)


def _settings(
    feature: Feature, indicator: Indicator, values: Mapping[str, float], within: tuple[str, ...]
) -> tuple[float, ...]:
    settings = []
    for param in indicator.params:
        given: Any = feature.settings.get(param.name, param.default)
        value = float(values[given]) if isinstance(given, str) else float(given)
        where = f"feature `{within[0]}` ({indicator.name}): `{param.name}`"
        if param.is_int and not value.is_integer():
            raise ParameterError(f"{where} was {value:g}, must be a whole number")
        if not param.low <= value <= param.high:
            raise ParameterError(f"{where} was {value:g}, must lie in [{param.low:g}, {param.high:g}]")
        settings.append(value)
    try:
        indicator.init(*_native(indicator, tuple(settings)))
    except ValueError as error:  # what no single bound can say: two settings that contradict each other
        raise ParameterError(f"feature `{within[0]}` ({indicator.name}): {error}") from None
    return tuple(settings)


def _native(indicator: Indicator, settings: tuple[float, ...]) -> tuple[float | int, ...]:
    """Settings as the indicator's own functions take them: whole numbers as int."""
    pairs = zip(indicator.params, settings, strict=True)
    return tuple(int(value) if param.is_int else value for param, value in pairs)


def _depends_on(feature: Feature | Series, strategy: Strategy, within: tuple[str, ...] = ()) -> set[str]:
    """Names of the strategy's parameters that a feature's values depend on."""
    if isinstance(feature, Series):
        return set()
    names = {value for value in feature.settings.values() if isinstance(value, str)}
    for source in feature.sources:
        if not isinstance(source, str):
            names |= _depends_on(source, strategy, within)
        elif source in strategy.features and source not in within:
            names |= _depends_on(strategy.features[source], strategy, (*within, source))
    return names


def build_graph(
    strategy: Strategy,
    params: Mapping[str, FloatArray],
    decision_timeframe: str,
    *,
    names: tuple[str, ...] | None = None,
    facts: Mapping[str, Feature] | None = None,
) -> FeatureGraph:
    """Graph of the features that `strategy` reads, for trials with `params` (one array per parameter).

    `names` asks for other features than the rule reads: all of them, for a report. `facts` come behind
    those that the rule reads: what sizing needs to know.

    Raises
    ------
    ParameterError
        If an indicator does not allow a value.
    StrategyError
        If features form a circle or mix timeframes.
    """
    builder = _Builder(strategy, decision_timeframe)
    builder.n_rows[decision_timeframe] = len(SERIES)
    n_trials = len(next(iter(params.values()))) if params else 1
    facts = facts or {}
    n_read = len(strategy.read_features)
    names = strategy.read_features if names is None else names
    names = (*names[:n_read], *facts, *names[n_read:])
    columns: dict[Ref, int] = {}
    lane_columns = np.zeros((len(names), n_trials), dtype=np.int64)
    order = list(params)
    for i, name in enumerate(names):
        feature = facts[name] if name in facts else strategy.features[name]
        swept = [key for key in order if key in _depends_on(feature, strategy, (name,))]
        if swept:
            table = np.column_stack([params[key] for key in swept])
            unique, inverse = np.unique(table, axis=0, return_inverse=True)
            inverse = inverse.reshape(-1)
        else:
            unique, inverse = np.zeros((1, 0)), np.zeros(n_trials, dtype=np.int64)
        refs = [builder.resolve(feature, dict(zip(swept, row, strict=True)), (name,)) for row in unique]
        of_unique = np.array([columns.setdefault(ref, len(columns)) for ref in refs], dtype=np.int64)
        lane_columns[i] = of_unique[inverse]
    warmups: dict[str, int] = {}
    for node in builder.nodes.values():
        timeframe = node.key.timeframe
        warmups[timeframe] = max(warmups.get(timeframe, 0), node.warmup)
    return FeatureGraph(
        decision_timeframe=decision_timeframe,
        timeframes=builder.timeframe_graphs(),
        columns=tuple(columns),
        lane_columns=lane_columns,
        names=tuple(names),
        warmups=warmups,
        series=tuple(builder.series),
    )


def build_whole_graph(
    strategy: Strategy,
    params: Mapping[str, float],
    decision_timeframe: str,
    facts: Mapping[str, Feature] | None = None,
) -> FeatureGraph:
    """Graph of one trial with every feature, for what keeps the values: first those the rule reads."""
    others = tuple(name for name in strategy.features if name not in strategy.read_features)
    values = {name: np.array([value]) for name, value in params.items()}
    return build_graph(
        strategy,
        values or {"": np.zeros(1)},
        decision_timeframe,
        names=strategy.read_features + others,
        facts=facts,
    )


def _finished(rows: IntArray, at: IntArray) -> IntArray:
    """Column of the last finished bar at each row: a bar is visible once it is complete, not before."""
    found: IntArray = np.searchsorted(rows, at, side="right")
    return found


def _seen(series: FloatArray, rows: IntArray, unknown: float) -> FloatArray:
    """A series as it stood when each bar became complete."""
    values = series[rows]
    return np.where(np.isnan(values), unknown, values)


class SymbolFeatures:
    """The feature graph of one symbol, in motion.

    Its state between calls is the state of every indicator and the last finished row of every timeframe.
    """

    def __init__(self, graph: FeatureGraph, calendar: str) -> None:
        self.graph = graph
        self.calendar = calendar
        self.states = [[group.state.copy() for group in tf.groups] for tf in graph.timeframes]
        self.last = [np.full(tf.n_rows, np.nan) for tf in graph.timeframes]
        self._lenders = {other for tf in graph.timeframes for _, other, _ in tf.borrowed}
        # Columns by timeframe, so that a table is filled one timeframe at a time.
        self._columns = [
            (
                np.array(
                    [i for i, (name, _) in enumerate(graph.columns) if name == tf.timeframe], dtype=np.int64
                ),
                np.array([row for name, row in graph.columns if name == tf.timeframe], dtype=np.int64),
            )
            for tf in graph.timeframes
        ]

    def advance(
        self,
        rows: Mapping[str, IntArray],
        bars: Mapping[str, FloatArray],
        times: Mapping[str, tuple[IntArray, IntArray]],
        series: FloatArray = NO_SERIES,
    ) -> FloatArray:
        """Take the bars that became complete and return the feature table of the decision bars.

        Parameters
        ----------
        rows : mapping of timeframe to ndarray of int64, shape (n,)
            Row of fine time on which each bar became visible.
        bars : mapping of timeframe to ndarray of float64, shape (n, 5)
        times : mapping of timeframe to two ndarrays of int64, shape (n,)
            Close of each bar and scheduled end of its session, UTC.
        series : ndarray of float64, shape (n_series, n_rows of fine time)
            The graph's series from outside, NaN where unknown.

        Returns
        -------
        ndarray of float64, shape (n_decision_bars, n_columns)
        """
        decision = self.graph.decision_timeframe
        table = np.empty((len(rows[decision]), self.graph.n_columns))
        known: dict[str, FloatArray] = {}  # per timeframe: the last finished row, then the new ones
        for i, tf in enumerate(self.graph.timeframes):
            new = bars[tf.timeframe]
            is_decision = tf.timeframe == decision
            columns, sources = self._columns[i]
            work = None
            if len(new):  # most rows of a stream complete no bar
                work = self._compute(i, new, rows, times, known, series)
            if is_decision and work is not None:
                table[:, columns] = work[sources].T
            if is_decision and tf.timeframe not in self._lenders:
                continue  # nobody asks for its last row: spare the copy
            before = self.last[i][:, None]
            known[tf.timeframe] = before if work is None else np.concatenate([before, work], axis=1)
            self.last[i] = known[tf.timeframe][:, -1].copy()
            if not is_decision:
                finished = _finished(rows[tf.timeframe], rows[decision])
                table[:, columns] = known[tf.timeframe][sources][:, finished].T
        return table

    def _compute(
        self,
        i: int,
        new: FloatArray,
        rows: Mapping[str, IntArray],
        times: Mapping[str, tuple[IntArray, IntArray]],
        known: Mapping[str, FloatArray],
        series: FloatArray,
    ) -> FloatArray:
        """Every row of one timeframe's workspace, for its new bars."""
        tf = self.graph.timeframes[i]
        work = np.empty((tf.n_rows, len(new)))
        work[: len(BAR_FIELDS)] = new.T
        clock = wall_clock(*times[tf.timeframe], self.calendar) if tf.reads_times else 0.0
        work[len(BAR_FIELDS) : len(SERIES)] = clock
        for row, other, source in tf.borrowed:
            work[row] = known[other][source][_finished(rows[other], rows[tf.timeframe])]
        for row, which, unknown in tf.outside:
            work[row] = _seen(series[which], rows[tf.timeframe], unknown)
        for group, state in zip(tf.groups, self.states[i], strict=True):
            group.rows(work, group.src, group.dst, group.params, state)
        return work

    def save(self) -> dict[str, FloatArray]:
        """State as named arrays."""
        saved = {}
        for i, tf in enumerate(self.graph.timeframes):
            saved[f"features.{tf.timeframe}.last"] = self.last[i].copy()
            for j, state in enumerate(self.states[i]):
                saved[f"features.{tf.timeframe}.{j}"] = state.copy()
        return saved

    def restore(self, saved: Mapping[str, FloatArray]) -> None:
        """Take up the state of `save`."""
        for i, tf in enumerate(self.graph.timeframes):
            self.last[i] = np.array(saved[f"features.{tf.timeframe}.last"])
            for j in range(len(self.states[i])):
                self.states[i][j] = np.array(saved[f"features.{tf.timeframe}.{j}"])
