"""Settings: costs, risk, a strategy's parameters, a sweep. YAML files in, frozen and checked objects out.

Profiles are files of ``configs/costs`` and ``configs/risk``; a sweep names them, or holds the numbers
itself, or refines one (``costs: {base: us_equity, slippage: 0.0002}``). A sweep's file may derive from
another with ``base`` (``documents.py``). Rates are fractions, amounts are in the account's currency.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from .checked import Checked, Key, SettingError, build, did_you_mean, struct_of
from .documents import Document, display_name, find, read_document, refine
from .errors import ConfigError

C = TypeVar("C", bound=Checked)

Reference = str | Path | Mapping[str, Any]  # a shipped name, a file, or the settings themselves

Timeframe = Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d"]
Value = Annotated[int | float | str, Meta(description="a number or the name of a choice")]

_Cost = Annotated[float, Meta(ge=0, le=1000, description="an amount in [0, 1000]")]
_CostRate = Annotated[float, Meta(ge=0, le=0.1, description="a fraction in [0, 0.1]")]
_Share = Annotated[float, Meta(gt=0, le=1, description="a fraction in (0, 1]")]
_BorrowRate = Annotated[float, Meta(ge=0, le=10, description="an annual rate in [0, 10]")]
_AnnualRate = Annotated[float, Meta(ge=-0.1, le=1, description="an annual rate in [-0.1, 1]")]
_Cash = Annotated[float, Meta(gt=0, le=1e12, description="an amount in (0, 1e12]")]
_Annual = Annotated[float, Meta(gt=0, le=10, description="an annual volatility in (0, 10]")]
_Fraction = Annotated[float, Meta(gt=0, lt=1, description="a fraction in (0, 1)")]
_Chance = Annotated[float, Meta(ge=0, lt=1, description="a share in [0, 1)")]
_Multiple = Annotated[float, Meta(ge=0, le=100, description="a number in [0, 100]")]
_Bars = Annotated[int, Meta(ge=0, le=10_000, description="a whole number in [0, 10000]")]
_Positive = Annotated[int, Meta(ge=1, le=100_000, description="a whole number in [1, 100000]")]
_Seed = Annotated[int, Meta(ge=0, le=1_000_000, description="a whole number in [0, 1000000]")]
_Delay = Annotated[float, Meta(ge=0, le=86_400, description="seconds in [0, 86400]")]
_Name = Annotated[str, Meta(min_length=1, description="a name that is not empty")]
_Strategy = Annotated[str, Meta(min_length=1, description="a strategy's name or the path of its file")]
_Bound = Annotated[float, Meta(description="a finite number")]
_Count = Annotated[int, Meta(ge=1, le=100_000, description="a whole number in [1, 100000]")]
_Values = Annotated[list[Value], Meta(min_length=1)]
_Pair = Annotated[tuple[_Name, _Name] | None, Meta(description="two axes of `grid`")]


class Costs(Checked, frozen=True):
    """What trading costs."""

    commission_per_share: _Cost = 0.005  # per unit
    commission_per_order: _Cost = 0.0  # per execution
    commission_rate: _CostRate = 0.0  # of the notional
    slippage: _CostRate = 0.0001  # of the price, per market order side
    impact: _CostRate = 0.0005  # of the price, added to a large order's slippage
    impact_participation: _Share = 0.10  # of the mean volume: a larger order has impact
    impact_model: Literal["step", "square_root"] = "step"
    borrow_rate: _BorrowRate = 0.005  # a year, of the value of a short position


class Execution(Checked, frozen=True):
    """What is assumed of fills, where bars do not tell; ``kernels/README.md`` has the table."""

    timing: Literal["open", "close"] = "open"  # of market orders, in the bar that fills them
    intrabar: Literal["stop_first", "target_first", "path"] = "stop_first"
    limit_fill: Literal["through", "touch"] = "through"
    limit_gap: Literal["open", "limit"] = "open"  # price of a limit order where the bar opens beyond it
    participation: _Share | None = None  # of a bar's volume, at most; None: no cap
    delay_bars: _Bars = 0  # that an order lets pass
    missed_fills: _Chance = 0.0  # share of bars that miss limit fills and entries
    seed: _Seed = 0  # of the bars that miss them
    cost_multiple: _Multiple = 1.0  # of all costs of trading
    tick_rounding: bool = (
        False  # round the prices of orders to the symbol's tick; never right for adjusted prices
    )


class Risk(Checked, frozen=True):
    """How positions are sized, what may be risked, and what idle money earns; None: no such limit."""

    sizing: Literal["stop", "fraction", "equal", "volatility", "kelly"] = "stop"
    fraction: _Share = 0.1  # of equity, where sizing is "fraction"
    target_volatility: _Annual = 0.15  # of a position, a year, where sizing is "volatility"
    kelly_share: _Share = 0.5  # of Kelly's fraction, where sizing is "kelly"
    stop_atr: _Multiple | None = None  # ATR(14) of the stop of an entry that brings none
    max_stop: _Share | None = None  # of the price: how far a stop may be
    max_trades: _Positive | None = None  # entries per session and symbol
    max_position: _Share = 0.20  # of equity, per position
    max_crypto: _Share | None = None  # of equity, in all positions of that class
    max_sector: _Share | None = None  # of equity, in all positions of a sector
    max_positions: _Positive | None = None
    max_open_risk: _Share | None = None  # of equity, lost if all stops were hit
    max_deployed: _Share = 0.50  # of equity, in all positions
    min_rebalance: _Chance = 0.0  # of equity: smaller changes of a target weight are left alone
    correlation_above: _Fraction | None = None  # with an open position
    correlation_size: _Share = 0.5  # factor beside a correlated position
    drawdown_reduce: _Fraction | None = None  # fall below the peak
    drawdown_size: _Share = 0.5  # factor of sizes in it
    drawdown_stop: _Share = 0.8  # factor of stop distances in it
    drawdown_halt: _Fraction | None = None  # fall below the peak that closes everything
    halt_sessions: _Positive | None = None  # None: to the end, or until a person resumes
    daily_loss: _Fraction | None = (
        None  # of the session's first equity, that closes everything until the next
    )
    cash_rate: _AnnualRate = 0.04  # a year, on idle cash
    risk_free_rate: _AnnualRate = 0.04  # a year, what Sharpe and Sortino compare with

    def check(self) -> None:
        """Refuse limits that exclude each other."""
        if self.drawdown_reduce and self.drawdown_halt and self.drawdown_reduce >= self.drawdown_halt:
            raise SettingError(
                ("drawdown_reduce",),
                f"was {self.drawdown_reduce:g}, must lie below `drawdown_halt` ({self.drawdown_halt:g})",
            )
        if self.sizing == "equal" and self.max_positions is None:
            raise SettingError(("max_positions",), "is missing, and `sizing: equal` divides by it")


class StrategyConfig(Checked, frozen=True):
    """A strategy with values for its parameters."""

    strategy: _Strategy
    params: dict[str, Value] = msgspec.field(default_factory=dict)


def linspace(start: float, stop: float, num: int) -> list[float]:
    """`num` evenly spaced values from `start` to `stop`, both included, without binary dust."""
    step = (stop - start) / max(num - 1, 1)
    return [float(f"{start + i * step:.12g}") for i in range(num)]


class Linspace(Checked, frozen=True):
    """Evenly spaced values, both ends included."""

    start: _Bound
    stop: _Bound
    num: _Count

    def check(self) -> None:
        """Refuse a space that repeats its value."""
        if self.start >= self.stop and self.num > 1:
            raise SettingError((), f"goes from {self.start:g} to {self.stop:g}; `stop` must be above `start`")

    def values(self) -> list[float]:
        """The values, without binary dust."""
        return linspace(self.start, self.stop, self.num)


_Axis = Annotated[Linspace | _Values, Meta(description="a list of values, or {start, stop, num}")]


class SweepConfig(Checked, frozen=True):
    """A sweep over a grid of parameters."""

    strategy: _Strategy
    grid: dict[str, _Axis]  # axes in the order of the result
    params: dict[str, Value] = msgspec.field(default_factory=dict)  # fixed for all trials
    decision_timeframe: Timeframe | None = None  # default: the market's
    costs: Costs | None = None  # default: by asset class
    risk: Risk | None = None  # default: retail
    execution: Execution | None = None  # default: its own defaults
    account: Literal["own", "shared"] = "own"  # one per symbol, or one for all
    initial_cash: _Cash = 100_000.0
    delay_s: _Delay = 60.0  # from a decision to the first bar that may fill it
    heat_map_axes: _Pair = None  # default: the first two
    rank_by: _Name = "sharpe_ratio"

    def check(self) -> None:
        """Refuse a grid without axes, and names that it does not have."""
        from ..kernels.mark import METRICS  # late: Numba is slow to import

        if not self.grid:
            raise SettingError(("grid",), "has no axes; name at least one parameter and its values")
        if self.rank_by not in METRICS:
            raise SettingError(
                ("rank_by",), f"was {self.rank_by!r}; {did_you_mean(self.rank_by, [*METRICS])}"
            )
        for name in self.grid:
            if name in self.params:
                raise SettingError(("params", name), "is an axis of `grid` too; keep one of the two")
        for name in self.heat_map_axes or ():
            if name not in self.grid:
                near = did_you_mean(name, list(self.grid))
                raise SettingError(("heat_map_axes",), f"names {name!r}, which is no axis of `grid`; {near}")

    def axes(self) -> dict[str, list[Value]]:
        """Values of every axis, spaces spelled out."""
        return {
            name: [*axis.values()] if isinstance(axis, Linspace) else list(axis)
            for name, axis in self.grid.items()
        }

    @property
    def n_trials(self) -> int:
        """Points of the grid."""
        n_trials = 1
        for values in self.grid.values():
            n_trials *= values.num if isinstance(values, Linspace) else len(values)
        return n_trials


_FOLDERS: dict[Any, str] = {
    Costs: "costs",
    Risk: "risk",
    Execution: "execution",
    StrategyConfig: "strategies",
    SweepConfig: "",
}


def load_config(path_or_name: str | Path, kind: type[C]) -> C:
    """Read settings of one kind.

    Parameters
    ----------
    path_or_name : str or Path
        A YAML file, or the name of a shipped one: "demo", "us_equity".
    kind : type
        ``SweepConfig``, ``StrategyConfig``, ``Costs`` or ``Risk``.

    Raises
    ------
    ConfigError
        If the file is missing (lists the shipped names), is no YAML, or a setting is missing, unknown, of
        the wrong type or outside its bounds: names the file, the key, the value and what is allowed.

    Examples
    --------
    >>> load_config("retail", Risk).max_position
    0.2
    """
    return _load_file(kind, path_or_name, "config")


def load_costs(reference: Costs | Reference) -> Costs:
    """Costs from a shipped name, a file, a mapping (which may have a ``base``), or as they are.

    Raises
    ------
    ConfigError
        As `load_config`.

    Examples
    --------
    >>> load_costs({"base": "us_equity", "slippage": 0.0002}).commission_per_share
    0.005
    """
    return _load(Costs, reference, "costs")


def load_risk(reference: Risk | Reference) -> Risk:
    """Risk limits from a shipped name, a file, a mapping (which may have a ``base``), or as they are.

    Raises
    ------
    ConfigError
        As `load_config`.
    """
    return _load(Risk, reference, "risk")


def load_execution(reference: Execution | Reference) -> Execution:
    """Assumptions of fills from a shipped name, a file, a mapping (it may have a ``base``), or as they are.

    Raises
    ------
    ConfigError
        As `load_config`.
    """
    return _load(Execution, reference, "execution")


def to_json(settings: Checked) -> str:
    """Settings as JSON text, the same text for equal settings."""
    return msgspec.json.encode(settings).decode()


def from_json(text: str, kind: type[C]) -> C:
    """Settings from the text of `to_json`.

    Raises
    ------
    ConfigError
        If it is no such text.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"settings are no JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"settings were {text!r}, must be a JSON object")
    return _built(kind, Document(values, {}), None)


def _load(kind: type[C], reference: C | Reference, key: str) -> C:
    if isinstance(reference, kind):
        return reference
    if isinstance(reference, Mapping):
        try:
            return _built(kind, refine(reference, _FOLDERS[kind]), None)
        except SettingError as error:
            raise error if error.source else error.within(prefix=(key,)) from None
    if isinstance(reference, str | Path):
        return _load_file(kind, reference, key)
    raise ConfigError(f"`{key}` was {reference!r}, must be a name, a path, a mapping or {kind.__name__}")


def _load_file(kind: type[C], reference: str | Path, key: str) -> C:
    path = find(reference, _FOLDERS[kind], (key,))
    return _built(kind, read_document(path, _FOLDERS[kind]), path)


def _built(kind: type[C], document: Document, path: Path | None) -> C:
    document = _with_profiles(kind, document)
    try:
        settings: C = build(kind, document.values)
    except SettingError as error:
        raise error.within(source=display_name(document.origin(error.key) or path)) from None
    return settings


def _with_profiles(kind: type[Checked], document: Document) -> Document:
    """The document with the profiles that it names or refines put in their place."""
    values, origins = dict(document.values), dict(document.origins)
    for field in msgspec.structs.fields(kind):
        struct, reference = struct_of(field.type), values.get(field.name)
        if struct not in _FOLDERS or not isinstance(reference, str | Mapping):
            continue
        profile = _profile(_FOLDERS[struct], reference, (field.name,), document)
        values[field.name] = profile.values
        own = {key: file for key, file in origins.items() if key[:1] == (field.name,) and len(key) > 1}
        origins |= {(field.name, *key): file for key, file in profile.origins.items() if key} | own
    return Document(values, origins)


def _profile(folder: str, reference: str | Mapping[str, Any], key: Key, document: Document) -> Document:
    beside = document.origin(key)
    if isinstance(reference, str):
        return read_document(find(reference, folder, key, beside), folder)
    try:
        return refine(reference, folder, beside)
    except SettingError as error:
        is_here = error.source == display_name(beside)
        raise error.within(prefix=key) if is_here else error from None
