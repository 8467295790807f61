"""What a bar must be: the checks that bars pass before they reach a cube or a live decision.

Two severities. *Impossible* bars cannot have happened (a high below the close, a price of zero, the same
minute twice): whoever imports refuses them. *Suspicious* bars may be true (a crash, a split, an outage) or
false; they are reported and kept. The functions are pure: arrays in, ``Fault`` columns out, nothing raised
and nothing changed, so that files, feeds and cubes share one definition of bad.

Order of the checks is order of trust: a row that fails an earlier one is not judged by a later one, because
its numbers mean nothing.
"""

from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels.types import BoolArray, FloatArray, IntArray
from .timeframe import MINUTE_NS, timeframe_ns

FIELDS = ("open", "high", "low", "close", "volume")
OPTIONAL_FIELDS = ("bid", "ask", "vwap", "trades")
LABELS = ("symbol", "time", "session", "session_close", "asset_class", "tick_size", "lot_size")
SERIES_TAKEN = frozenset({*FIELDS, *OPTIONAL_FIELDS, *LABELS})  # what no series from outside is called


class Check(NamedTuple):
    """One rule: what it is called, whether breaking it is impossible, and what is allowed instead."""

    title: str
    is_impossible: bool
    allowed: str


CHECKS: dict[str, Check] = {
    "wrong_field_count": Check("wrong number of fields", True, "as many fields as the header"),
    "unreadable_time": Check("unreadable time", True, "ISO 8601 such as 2024-01-02T14:31:00Z or 2024-01-02"),
    "ambiguous_time": Check("time that the clocks skip or repeat", True, "a local time that occurs once"),
    "unreadable_value": Check("not a number", True, "a plain number such as 101.25"),
    "not_finite": Check("missing, NaN or infinite value", True, "a finite number"),
    "non_positive_price": Check("price not above zero", True, "above 0"),
    "negative_volume": Check("negative volume", True, "0 or more"),
    "high_below_body": Check("high below open or close", True, "at least max(open, close)"),
    "low_above_body": Check("low above open or close", True, "at most min(open, close)"),
    "duplicate_time": Check("duplicate time", True, "each time once"),
    "unordered_time": Check("time out of order", True, "later than the row before"),
    "off_grid": Check(
        "time off the bar grid", True, "a multiple of the timeframe in UTC, or the session's end"
    ),
    "lone_first_bar": Check("first bar stands alone", True, "a first open near the prices that follow"),
    "outside_session": Check("outside the session", False, "inside the session; dropped"),
    "outside_calendar": Check("outside the calendar", False, "a session of the calendar; dropped"),
    "listing_break": Check(
        "long break", False, "the same instrument before and after: renamed or re-used symbol?"
    ),
    "gap": Check("gap", False, "a bar in each interval"),
    "split_like": Check("unadjusted split?", False, "an overnight move that is no simple ratio"),
    "outlier": Check("outlier", False, "a move in line with the others"),
    "wick": Check("extreme wick", False, "a high and a low near the body"),
    "stale_run": Check("stale run", False, "prices that move"),
    "zero_volume": Check("zero volume", False, "trades"),
}


class Fault(NamedTuple):
    """Every row that breaks one rule in one column; the arrays have one entry per row."""

    kind: str  # a key of CHECKS
    column: str
    rows: IntArray  # positions in the checked arrays, ascending (flat positions of 2-D ones)
    values: NDArray[Any]  # what was found, in the column's unit
    bounds: NDArray[Any]  # what it was held against; NaN where there is no number

    @property
    def is_impossible(self) -> bool:
        """Whether the rows cannot be true."""
        return CHECKS[self.kind].is_impossible


class Limits(NamedTuple):
    """Where suspicion begins. Moves are natural logarithms of price ratios."""

    gap_bars: int = 5  # more missing bars in a row than this
    break_sessions: int = 20  # a symbol silent for a month may come back as another company
    stale_bars: int = 10  # bars in a row without any movement
    outlier_scales: float = 10.0  # times the typical move ...
    outlier_move: float = 0.10  # ... and at least this
    wick_scales: float = 10.0  # times the typical bar's range ...
    wick_move: float = 0.10  # ... and at least this


def limits_for(timeframe: str) -> Limits:
    """Limits that leave a usual year of `timeframe` bars without a warning."""
    length_ns = timeframe_ns(timeframe)
    if length_ns <= 15 * MINUTE_NS:
        return Limits(outlier_move=0.05, wick_move=0.05)
    if length_ns < timeframe_ns("1d"):
        return Limits()
    return Limits(stale_bars=5, outlier_move=0.25, wick_move=0.20)


class BarSeries(NamedTuple):
    """Bars of one symbol, oldest first, each array of shape (n_bars,)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    bar_idx: IntArray  # position on the calendar's grid of bars: neighbours differ by one
    session_idx: IntArray  # position of the bar's session in the calendar


def value_faults(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    *,
    skip: BoolArray | None = None,
) -> list[Fault]:
    """Impossible prices and volumes.

    Parameters
    ----------
    open, high, low, close, volume : ndarray of float64, one shape
        Prices in quote currency, volume in units of the instrument.
    skip : ndarray of bool, same shape, optional
        Rows that are not judged: missing bars, or rows already refused for another reason.

    Returns
    -------
    list of Fault
        ``rows`` are flat positions. Empty when all bars are possible.

    Examples
    --------
    >>> bar = [np.array([10.0]), np.array([9.0]), np.array([8.0]), np.array([9.5]), np.array([100.0])]
    >>> [(fault.kind, fault.column, fault.bounds.tolist()) for fault in value_faults(*bar)]
    [('high_below_body', 'high', [10.0])]
    """
    fields = dict(zip(FIELDS, (open, high, low, close, volume), strict=True))
    judged = np.ones(close.shape, np.bool_) if skip is None else ~skip
    finite = judged.copy()
    faults: list[Fault] = []
    for name, values in fields.items():
        is_finite = np.isfinite(values)
        _note(faults, "not_finite", name, judged & ~is_finite, values)
        finite &= is_finite
    positive = finite.copy()
    for name in FIELDS[:4]:
        is_positive = fields[name] > 0.0
        _note(faults, "non_positive_price", name, finite & ~is_positive, fields[name], 0.0)
        positive &= is_positive
    _note(faults, "negative_volume", "volume", finite & (volume < 0.0), volume, 0.0)
    body_top, body_bottom = np.maximum(open, close), np.minimum(open, close)
    _note(faults, "high_below_body", "high", positive & (high < body_top), high, body_top)
    _note(faults, "low_above_body", "low", positive & (low > body_bottom), low, body_bottom)
    return faults


def time_faults(ts_ns: IntArray) -> list[Fault]:
    """Times that occur twice or out of order: the fewest rows without which the rest is in order.

    Comparing neighbours would blame the innocent: after one row with a date in the far future, every later
    row precedes it. So the longest increasing run of rows is taken for good (of equal times the first), and
    the rows that are not in it are at fault.
    """
    if ts_ns.size < 2 or bool(np.all(ts_ns[1:] > ts_ns[:-1])):
        return []
    is_good = _longest_increase(ts_ns)
    is_repeat = ~is_good & np.isin(ts_ns, ts_ns[is_good])
    faults: list[Fault] = []
    _note(faults, "duplicate_time", "time", is_repeat, ts_ns)
    _note(faults, "unordered_time", "time", ~is_good & ~is_repeat, ts_ns)
    return faults


def _longest_increase(ts_ns: IntArray) -> BoolArray:
    """Which rows form a longest strictly increasing subsequence (patience sorting, O(n log n))."""
    tails: list[int] = []  # smallest time that ends an increase of each length ...
    tail_rows: list[int] = []  # ... and its row
    previous = np.full(ts_ns.size, -1, np.int64)
    for row, time in enumerate(ts_ns.tolist()):
        length = bisect_left(tails, time)
        if length == len(tails):
            tails.append(time)
            tail_rows.append(row)
        elif tails[length] > time:  # an equal time stays with its first row
            tails[length], tail_rows[length] = time, row
        else:
            continue
        previous[row] = tail_rows[length - 1] if length else -1
    is_good = np.zeros(ts_ns.size, np.bool_)
    row = tail_rows[-1]
    while row >= 0:
        is_good[row] = True
        row = int(previous[row])
    return is_good


def lone_first_bar(bars: BarSeries, *, ratio: float = 2.0, n_after: int = 20) -> list[Fault]:
    """A first open that no later price comes near: a venue's placeholder before the first trade.

    A later bar may jump as far and be true, for the bar before it vouches for the old price. Nothing vouches
    for a first open that is `ratio` times away from its own close and from all of the next `n_after` bars.
    """
    if bars.close.size <= n_after:
        return []  # too few witnesses
    first_open = bars.open[0]
    after = slice(1, 1 + n_after)
    highest = max(bars.close[0], bars.high[after].max())
    lowest = min(bars.close[0], bars.low[after].min())
    if lowest / ratio < first_open < highest * ratio:
        return []
    faults: list[Fault] = []
    is_first = np.zeros(bars.close.size, np.bool_)
    is_first[0] = True
    _note(faults, "lone_first_bar", "open", is_first, bars.open, bars.close)
    return faults


def suspicious_faults(bars: BarSeries, limits: Limits, *, can_split: bool) -> list[Fault]:
    """Bars that may be true or false: breaks, gaps, splits, outliers, wicks, stale runs, no volume.

    Parameters
    ----------
    bars : BarSeries
        Possible bars (no fault of `value_faults` or `time_faults`).
    limits : Limits
        Where suspicion begins, see `limits_for`.
    can_split : bool
        Whether overnight moves near a simple ratio are asked about (stocks, not coins).
    """
    if bars.close.size == 0:
        return []
    faults: list[Fault] = []
    is_break = _gap_faults(faults, bars, limits)
    _move_faults(faults, bars, limits, is_break, can_split=can_split)
    _wick_faults(faults, bars, limits)
    _stale_faults(faults, bars, limits)
    _note(faults, "zero_volume", "volume", bars.volume == 0.0, bars.volume)
    return faults


def _gap_faults(faults: list[Fault], bars: BarSeries, limits: Limits) -> BoolArray:
    """Note gaps and breaks at the bar that ends them; returns which bars follow a break."""
    n_missing = np.diff(bars.bar_idx, prepend=bars.bar_idx[:1] - 1) - 1
    n_sessions = np.diff(bars.session_idx, prepend=bars.session_idx[:1]) - 1
    is_break = n_sessions >= limits.break_sessions
    _note(faults, "listing_break", "time", is_break, n_sessions, limits.break_sessions)
    _note(faults, "gap", "time", (n_missing > limits.gap_bars) & ~is_break, n_missing, limits.gap_bars)
    return is_break


def _move_faults(
    faults: list[Fault], bars: BarSeries, limits: Limits, is_break: BoolArray, *, can_split: bool
) -> None:
    """Note overnight moves that look like splits, and moves out of line with the others of their kind."""
    n_bars = bars.close.size
    starts_session = np.zeros(n_bars, np.bool_)
    starts_session[1:] = bars.session_idx[1:] != bars.session_idx[:-1]
    between = np.zeros(n_bars)  # close to close
    between[1:] = np.log(bars.close[1:] / bars.close[:-1])
    within = np.log(bars.close / bars.open)

    is_split = np.zeros(n_bars, np.bool_)
    if can_split:
        opening = np.zeros(n_bars)
        opening[1:] = np.log(bars.open[1:] / bars.close[:-1])
        nearest = _nearest_split(opening)
        is_split = starts_session & ~is_break & ~np.isnan(nearest)
        _note(faults, "split_like", "open", is_split, np.exp(opening), np.exp(nearest))

    explained = is_break | is_split
    # A night's move is not measured by a minute's: each kind has its own typical size.
    is_daily = bool(np.all(starts_session[1:]))
    groups = [(between, ~starts_session | is_daily), (between, starts_session & (not is_daily))]
    is_outlier = np.zeros(n_bars, np.bool_)
    bound = np.zeros(n_bars)
    for moves, group in groups:
        limit = max(limits.outlier_move, limits.outlier_scales * _typical(moves[group]))
        hit = group & (np.abs(moves) > limit)
        is_outlier |= hit
        bound[hit] = limit
    limit = max(limits.outlier_move, limits.outlier_scales * _typical(within))
    hit = ~is_outlier & (np.abs(within) > limit)
    bound[hit] = limit
    is_outlier |= hit
    moves = np.where(np.abs(within) > np.abs(between), within, between)
    _note(faults, "outlier", "close", is_outlier & ~explained, np.expm1(moves), np.expm1(bound))


def _nearest_split(log_moves: FloatArray) -> FloatArray:
    """Logarithm of the split ratio that each move is close to, NaN where it is close to none."""
    ratios = np.array([1.5, *range(2, 11), 12, 15, 20, 25, 30, 40, 50, 100])
    levels = np.sort(np.concatenate([-np.log(ratios), np.log(ratios)]))
    # A split's open also carries that night's news: 2:1 splits open within about 8 % of the ratio, and a
    # plain 33 % fall is common enough that 3:2 has to fit better.
    slack = np.where(np.isclose(np.abs(levels), np.log(1.5)), 0.02, 0.08)
    right = np.clip(np.searchsorted(levels, log_moves), 1, levels.size - 1)
    nearest = np.where(log_moves - levels[right - 1] < levels[right] - log_moves, right - 1, right)
    is_near = np.abs(log_moves - levels[nearest]) <= slack[nearest]
    return np.where(is_near, levels[nearest], np.nan)


def _wick_faults(faults: list[Fault], bars: BarSeries, limits: Limits) -> None:
    """Note highs and lows far from the body, where a bad print hides from closes."""
    upper = np.log(bars.high / np.maximum(bars.open, bars.close))
    lower = np.log(np.minimum(bars.open, bars.close) / bars.low)
    limit = max(limits.wick_move, limits.wick_scales * _typical(np.log(bars.high / bars.low)))
    _note(faults, "wick", "high", upper > limit, np.expm1(upper), np.expm1(limit))
    _note(faults, "wick", "low", lower > limit, np.expm1(-lower), np.expm1(-limit))


def _stale_faults(faults: list[Fault], bars: BarSeries, limits: Limits) -> None:
    """Note runs of bars that repeat one price, at the first bar of each run."""
    is_same = np.zeros(bars.close.size, np.int8)
    is_same[1:] = (bars.high[1:] == bars.low[1:]) & (bars.high[1:] == bars.close[:-1])
    edges = np.diff(is_same, prepend=np.int8(0), append=np.int8(0))
    starts = np.flatnonzero(edges == 1) - 1  # the bar whose close is repeated begins the run
    lengths = np.flatnonzero(edges == -1) - starts
    keep = lengths >= limits.stale_bars
    if keep.any():
        bounds = np.full(int(keep.sum()), limits.stale_bars)
        faults.append(Fault("stale_run", "close", starts[keep], lengths[keep], bounds))


def _typical(moves: FloatArray) -> float:
    """Typical size of a move: the median, which outliers do not touch; the mean where most stand still."""
    if moves.size == 0:
        return 0.0
    sizes = np.abs(moves)
    return float(np.median(sizes)) or float(sizes.mean())


def _note(
    faults: list[Fault],
    kind: str,
    column: str,
    is_hit: BoolArray,
    values: NDArray[Any],
    bounds: NDArray[Any] | float = np.nan,
) -> None:
    """Append a fault for the rows of `is_hit`, if there are any."""
    if not is_hit.any():
        return
    rows = np.flatnonzero(is_hit)
    hit_bounds = bounds.ravel()[rows] if isinstance(bounds, np.ndarray) else np.full(rows.size, bounds)
    faults.append(Fault(kind, column, rows, values.ravel()[rows], hit_bounds))
