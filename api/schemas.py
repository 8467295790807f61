"""What crosses the wire: one struct per body, in and out.

Requests are checked settings: an unknown field, a wrong type, a number out of bounds is refused with its
name, its value and what is allowed; text is never taken for a number. In answers times are UTC in ISO 8601,
rates are fractions, drawdowns negative. JSON has no NaN: a number that is undefined or infinite is ``null``.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from ..engine.checked import Checked, SettingError, build
from ..engine.config import Linspace, Timeframe, Value
from .problems import Problem

R = TypeVar("R", bound=Checked)

Kind = Literal["sweep", "backtest"]
State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

_Name = Annotated[
    str, Meta(min_length=1, max_length=100, description="a name of 1 to 100 characters, not a path")
]
_Axis = Annotated[
    Linspace | Annotated[list[Value], Meta(min_length=1)],
    Meta(description="a list of values, or {start, stop, num}"),
]
_Cash = Annotated[float, Meta(gt=0, le=1e12, description="an amount in (0, 1e12]")]
_Delay = Annotated[float, Meta(ge=0, le=86_400, description="seconds in [0, 86400]")]
_Profile = Annotated[
    str | dict[str, Value] | None,
    Meta(description="the name of a shipped profile, or a mapping of numbers that may refine one by `base`"),
]
_Symbols = Annotated[
    Annotated[list[_Name], Meta(min_length=1, max_length=1_000)] | None,
    Meta(description="a list of 1 to 1000 symbols"),
]
_Time = Annotated[
    Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?)?$")]
    | None,
    Meta(description="a session such as 2024-03-01, or a UTC time such as 2024-03-01T15:00"),
]
_YEARS = (1678, 2261)  # whole years that 64 bits of nanoseconds hold
_LARGEST_INT = 1 << 53  # above it a whole number has no exact float


class _RunRequest(Checked, frozen=True):
    """What sweeps and backtests have in common."""

    strategy: _Name
    market: _Name
    params: dict[str, Value] = msgspec.field(default_factory=dict)
    decision_timeframe: Timeframe | None = None  # default: the market's
    costs: _Profile = None  # default: by asset class
    execution: _Profile = None  # what is assumed of fills; default: plain
    risk: _Profile = None  # default: retail
    account: Literal["own", "shared"] = "own"  # one per symbol, or one for all
    initial_cash: _Cash = 100_000.0
    delay_s: _Delay = 60.0
    symbols: _Symbols = None  # default: all
    start: _Time = None  # first session, or the beginning of the first bar
    stop: _Time = None  # before this session, or the end of the last bar

    def check(self) -> None:
        """Refuse a symbol that stands twice, a day that is none, a number that no float holds."""
        if self.symbols is not None and len(set(self.symbols)) < len(self.symbols):
            raise SettingError(("symbols",), f"names a symbol twice: {', '.join(self.symbols)}")
        for name in ("start", "stop"):
            _check_day(getattr(self, name), (name,))
        for name in ("params", "costs", "execution", "risk"):
            values = getattr(self, name)
            for key, value in values.items() if isinstance(values, Mapping) else ():
                _check_size(value, (name, key))


class BacktestRequest(_RunRequest, frozen=True):
    """One set of parameters over the symbols of a market, in full detail."""


class SweepRequest(_RunRequest, frozen=True, kw_only=True):
    """Every combination of the values in `grid`; `params` hold for all of them."""

    grid: dict[str, _Axis]

    def check(self) -> None:
        """Refuse a grid without axes, and parameters that are both fixed and swept."""
        super().check()
        if not self.grid:
            raise SettingError(("grid",), "has no axes; name at least one parameter and its values")
        for name, axis in self.grid.items():
            if name in self.params:
                raise SettingError(("params", name), "is an axis of `grid` too; keep one of the two")
            values = axis if isinstance(axis, list) else []
            if len({isinstance(value, str) for value in values}) > 1:
                raise SettingError(("grid", name), "mixes numbers and names of choices; use one of the two")
            for i, value in enumerate(values):
                _check_size(value, ("grid", name, f"[{i}]"))

    @property
    def n_trials(self) -> int:
        """Points of the grid, without making it."""
        n_trials = 1
        for axis in self.grid.values():
            n_trials *= axis.num if isinstance(axis, Linspace) else len(axis)
        return n_trials

    def axes(self) -> dict[str, list[Any]]:
        """Values of every axis, spaces spelled out."""
        return {
            name: [*axis.values()] if isinstance(axis, Linspace) else list(axis)
            for name, axis in self.grid.items()
        }


RunRequest = SweepRequest | BacktestRequest


def _check_size(value: Any, key: tuple[str, ...]) -> None:
    if isinstance(value, int) and abs(value) > _LARGEST_INT:
        raise SettingError(key, "was a whole number beyond 2**53, must be one that a float holds")


def _check_day(moment: str | None, key: tuple[str, ...]) -> None:
    try:
        when = datetime.fromisoformat(moment or "2024-03-01")
    except ValueError as error:
        raise SettingError(key, f"was {moment!r}, which is no day or time: {error}") from None
    if not _YEARS[0] <= when.year <= _YEARS[1]:
        raise SettingError(key, f"was {moment!r}, must lie in the years {_YEARS[0]} to {_YEARS[1]}")


def read_body(body: bytes, kind: type[R]) -> R:
    """A request's JSON body as checked settings.

    Raises
    ------
    Problem
        If it is no JSON object.
    SettingError
        If one of its fields is missing, unknown or not allowed.
    """
    if not body.strip():
        raise Problem(400, "the body is empty, must be a JSON object")
    try:
        values = msgspec.json.decode(body)
    except RecursionError:
        raise Problem(400, "the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, f"the body is no valid JSON (RFC 8259: no NaN, no comments): {error}") from None
    if not isinstance(values, dict):
        raise Problem(400, "the body was no JSON object, must be one")
    built: R = build(kind, values)
    return built


def is_plain_name(name: str) -> bool:
    """Whether a name can stand for a file without leading anywhere else."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is not None


# ---- answers


class JobCounts(msgspec.Struct, frozen=True):
    """How busy the server is."""

    running: int
    queued: int


class Health(msgspec.Struct, frozen=True):
    """That the server lives."""

    status: Literal["ok"]
    version: str
    uptime_s: float
    jobs: JobCounts


class StrategySummary(msgspec.Struct, frozen=True):
    """A strategy in a list."""

    name: str
    origin: Literal["built-in", "file"]
    summary: str  # first line of its description
    problem: str | None = None  # why it cannot be used


class StrategyDocument(msgspec.Struct, frozen=True):
    """A strategy with what a form or a reader needs to know of it."""

    name: str
    origin: Literal["built-in", "file"]
    description: str
    parameters: dict[str, Any]  # a JSON schema of `params`; each property has its unit too
    features: list[dict[str, Any]]  # what the rule reads, and what of
    reasons: dict[str, str]  # sentences by code
    modes: dict[str, str]


class MarketSummary(msgspec.Struct, frozen=True):
    """A market that can be named in a request."""

    name: str
    origin: Literal["sample", "file"]
    symbols: list[str]
    timeframe: str
    calendar: str
    source: str
    adjustment: str
    generated: bool  # invented bars
    n_bars: int  # per symbol, missing ones included
    first_session: str
    last_session: str
    series: list[str]  # from outside, beside the bars


class ResultSummary(msgspec.Struct, frozen=True):
    """A result cube that lies in the data folder; its name stands for a sweep's id."""

    name: str
    strategy: str
    symbols: list[str]
    axes: dict[str, int]  # length by name
    metrics: list[str]
    n_trials: int
    decision_timeframe: str
    source: str
    generated: bool
    created: str


class BrokenFile(msgspec.Struct, frozen=True):
    """Something in the data folder that looks like a cube and cannot be used."""

    name: str
    problem: str


class DataListing(msgspec.Struct, frozen=True):
    """What there is to work with."""

    markets: list[MarketSummary]
    results: list[ResultSummary]
    broken: list[BrokenFile]


class ProgressView(msgspec.Struct, frozen=True):
    """How far a job is, in bars times trials."""

    done: int
    total: int
    fraction: float
    elapsed_s: float
    rate_per_s: float | None
    left_s: float | None


class JobView(msgspec.Struct, frozen=True):
    """A job and its state."""

    id: str
    kind: Kind
    state: State
    strategy: str
    market: str
    n_trials: int
    created: str
    started: str | None
    finished: str | None
    queue_position: int | None  # 1 is next; null unless queued
    cancel_requested: bool
    progress: ProgressView | None
    error: str | None
    request: dict[str, Any]


class JobPage(msgspec.Struct, frozen=True):
    """Jobs, newest first."""

    items: list[JobView]
    total: int
    limit: int
    page: int


class SliceView(msgspec.Struct, frozen=True):
    """A part of one metric: ``values[i][j]`` belongs to ``coords[dims[0]][i]`` and ``coords[dims[1]][j]``."""

    metric: str
    dims: list[str]
    coords: dict[str, list[Any]]
    fixed: dict[str, Any]  # the other axes and where they were held
    values: Any  # nested lists, one level per dim; null: undefined


class RankedCell(msgspec.Struct, frozen=True):
    """One cell of a cube and everything measured there."""

    rank: int
    cell: dict[str, Any]
    metrics: dict[str, float | None]


class RankingView(msgspec.Struct, frozen=True):
    """The first cells of a cube by one metric; ties keep the order of the cube."""

    by: str
    order: Literal["desc", "asc"]
    n_cells: int
    n_undefined: int  # cells without a value: not ranked
    items: list[RankedCell]


class BacktestResult(msgspec.Struct, frozen=True):
    """What a backtest measured, by symbol."""

    metrics: dict[str, dict[str, float | None]]


class SeriesView(msgspec.Struct, frozen=True):
    """Equity and protective stop, thinned so that no high or low of equity is lost."""

    n_bars: int  # before thinning
    time: list[str]
    equity: list[float]
    stop: list[float | None]  # null when flat


class TableView(msgspec.Struct, frozen=True):
    """One page of a table, oldest first."""

    items: list[dict[str, Any]]
    total: int
    limit: int
    page: int


class RunView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One trial of one symbol in full detail; only the parts that were asked for."""

    strategy: str
    symbol: str
    params: dict[str, Any]
    metrics: dict[str, float | None]
    equals_cell: bool | None  # whether the replay's metrics have the bits of the stored ones
    equity: SeriesView | None = None
    trades: TableView | None = None
    orders: TableView | None = None
    fills: TableView | None = None
    decisions: TableView | None = None
