"""Splits and dividends: tables of them, and markets adjusted for them.

A table has the columns ``symbol, date, kind, value``, one row per event. ``date`` is the ex-date: the first
session that trades without the dividend, or in new shares. The value of a ``split`` is how many new shares
one old share becomes (2 for two for one, 0.1 for a reverse split of ten to one), that of a ``dividend`` the
cash per share. What falls on one day is all told in the shares of the evening before: dividends add up,
ratios multiply, and the order of rows does not matter.

`adjust` works backward from the last bar, which stays as it traded: prices before an ex-date are multiplied
by ``(1 - dividend / close before) / ratio``, volumes by ``ratio``. The return of adjusted closes is then that
of whoever held on and bought new shares with every dividend, at the close before less the dividend.
"""

import csv
import datetime as dt
import math
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ..engine.errors import ConfigError, DataError, NotFoundError
from ..engine.market import FloatArray, IntArray, check_market
from ..engine.timeframe import DAY_NS
from ..engine.validation import FIELDS
from .calendars import session_grid

KINDS = ("split", "dividend")
COLUMNS = ("symbol", "date", "kind", "value")
ADJUSTMENT = "splits and dividends"
STALE_DAYS = 10  # New York's longest pause, in September 2001, left seven days between two closes

Outside = Literal["refuse", "drop"]

_PRICES = (*FIELDS[:4], "bid", "ask", "vwap")  # the optional ones where the market has them
_EXACT_DIGITS = 5  # a factor with no more is exact: 0.5; one with more was rounded: 0.333333
_MOST_SHARES = 100  # of a split's smaller side; beyond, a ratio is taken as the file has it


class _Action(NamedTuple):
    """One checked row."""

    symbol: str
    date_ns: int
    kind: str
    value: float
    where: str  # for messages

    @property
    def text(self) -> str:
        return f"{self.where}: the {self.kind} of {self.symbol} on {_date_text(self.date_ns)}"


class _Factors(NamedTuple):
    """What a symbol's bars are multiplied by, each of shape (n_bars,)."""

    price: FloatArray
    volume: FloatArray


def read_actions(path: str | Path) -> pd.DataFrame:
    """Table of corporate actions from a CSV file with the columns ``symbol, date, kind, value``.

    Returns
    -------
    DataFrame
        The columns in this order, dates as datetime64, sorted by symbol and date. Other columns are ignored.

    Raises
    ------
    DataError
        If the file cannot be read, or a row is impossible: names the file, the line, the value and what is
        allowed.
    """
    path = Path(path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is no CSV table: {error}") from None
    return _table(_checked(table, str(path), "line", 2))


def read_lean_factors(path: str | Path, symbol: str | None = None) -> pd.DataFrame:
    """Table of corporate actions from a factor file of LEAN.

    Each line holds the last day before an event, the factors of price (dividends) and of splits that apply up
    to that day, and its raw close: two neighbours differ by what happened in between. LEAN prints seven or
    eight digits, so a dividend is known to about five; a split is taken as the simplest ratio that prints so.

    Parameters
    ----------
    path : path
    symbol : str, optional
        By default the file's name in capitals: ``spy.csv`` is SPY.

    Returns
    -------
    DataFrame
        As `read_actions`. The ex-date is the New York session after the day of the line.

    Raises
    ------
    DataError
        If the file cannot be read or a line is impossible; names the file, the line and the value.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [(i, row) for i, row in enumerate(csv.reader(file), start=1) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    rows = [_lean_row(f"{path}, line {i}", row) for i, row in lines]
    if not rows:
        raise DataError(f"{path}: the file is empty")
    name = path.stem.upper() if symbol is None else symbol
    found = [
        _Action(name, ex_ns, kind, value, row.where)
        for row, after, ex_ns in zip(rows, rows[1:], _sessions_after(rows[:-1]), strict=False)
        for kind, value in _lean_events(row, after)
    ]
    return _table(sorted(found))


def adjust(
    market: xr.Dataset, actions: pd.DataFrame | str | Path, *, outside: Outside = "refuse"
) -> xr.Dataset:
    """The market adjusted backward for splits, and for dividends that are reinvested.

    Parameters
    ----------
    market : Dataset
        Raw prices: its attribute ``adjustment`` is "raw".
    actions : DataFrame or path
        Columns ``symbol, date, kind, value``, or a CSV file of them; see the module for what they mean.
    outside : {"refuse", "drop"}
        What becomes of an action that has no bar of its symbol before its date, or none from it on. Neither
        changes anything: a table longer than the market is fine, if that is what it is.

    Returns
    -------
    Dataset
        A new market with ``adjustment`` "splits and dividends" and the number of actions in ``source``. A bar
        stays where it is and NaN stays NaN; ticks and lots stay those of the raw market, so that a lot before
        a split is no longer what could be traded then.

    Raises
    ------
    DataError
        If the market is not raw; if a row is impossible, occurs twice or lies outside the market; if a
        dividend reaches the close before it, or there is no close in the days before.
    NotFoundError
        If the market does not have a symbol of the table.

    Examples
    --------
    >>> from fluxhero.engine.market import from_arrays
    >>> quiet = [[10.0, 10.0, 4.5]] * 4 + [[100.0, 100.0, 200.0]]
    >>> days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    >>> market = from_arrays("X", days, *quiet, timeframe="1d", adjustment="raw")
    >>> day = {"symbol": "X", "date": "2024-01-03"}
    >>> table = pd.DataFrame([{**day, "kind": "split", "value": 2}, {**day, "kind": "dividend", "value": 1}])
    >>> adjust(market, table)["close"].values  # 10 x (1 - 1 / 10) / 2
    array([[4.5, 4.5, 4.5]])
    """
    check_market(market)
    _check_raw(market)
    if outside not in ("refuse", "drop"):
        raise ConfigError(f"`outside` must be 'refuse' or 'drop', was {outside!r}")
    table = actions if isinstance(actions, pd.DataFrame) else read_actions(actions)
    found = _checked(table, "`actions`", "row", 0)
    symbols = [str(name) for name in market["symbol"].values]
    for action in found:
        if action.symbol not in symbols:
            raise NotFoundError(f"{action.text}: the market has no such symbol; it has {', '.join(symbols)}")
    session_ns = market["session"].values.view(np.int64)
    close = market["close"].values
    price, volume = np.ones(close.shape), np.ones(close.shape)
    used: list[_Action] = []
    for row, symbol in enumerate(symbols):
        own = [action for action in found if action.symbol == symbol]
        inside = [action for action in own if _is_inside(action, session_ns, close[row], outside)]
        price[row], volume[row] = _factors(inside, session_ns, close[row])
        used += inside
    adjusted = market.copy()
    for name in _PRICES:
        if name in market:
            adjusted[name] = market[name].copy(data=market[name].values * price)
    adjusted["volume"] = market["volume"].copy(data=market["volume"].values * volume)
    adjusted.attrs["adjustment"] = ADJUSTMENT
    counts = " and ".join(_count(used, kind) for kind in KINDS)
    adjusted.attrs["source"] = f"{market.attrs['source']}; adjusted for {counts}"
    check_market(adjusted)
    return adjusted


# ---- tables


def _checked(table: pd.DataFrame, source: str, unit: str, first: int) -> list[_Action]:
    """Rows as actions, sorted; whatever is impossible is refused with its place."""
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise DataError(
            f"{source}: lacks the columns {', '.join(missing)}; needed are {', '.join(COLUMNS)}, "
            f"it has {', '.join(map(str, table.columns)) or 'none'}"
        )
    columns = [table[name].tolist() for name in COLUMNS]
    found = [
        _action(f"{source}, {unit} {i}", *row)
        for i, row in enumerate(zip(*columns, strict=True), start=first)
    ]
    seen: dict[tuple[Any, ...], str] = {}
    for action in found:
        if (before := seen.setdefault(action[:4], action.where)) != action.where:
            raise DataError(
                f"{action.text} is in {before.removeprefix(f'{source}, ')} already; "
                "two equal dividends of one day are one of twice the value"
            )
    return sorted(found)


def _action(where: str, symbol: Any, date: Any, kind: Any, value: Any) -> _Action:
    if not isinstance(symbol, str) or not symbol.strip():
        raise DataError(f"{where}: `symbol` must be a text that is not empty, was {symbol!r}")
    if kind not in KINDS:
        raise DataError(f"{where}: `kind` must be one of {', '.join(KINDS)}, was {kind!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise DataError(f"{where}: `value` must be a number, was {value!r}") from None
    if not (math.isfinite(number) and number > 0.0):
        raise DataError(f"{where}: the value of a {kind} must be above 0, was {value}")
    return _Action(symbol.strip(), _midnight_ns(where, date), kind, number, where)


def _midnight_ns(where: str, date: Any) -> int:
    if isinstance(date, str):  # strictly ISO: 03/04/2024 is two dates
        try:
            date = dt.date.fromisoformat(date.strip())
        except ValueError:
            raise DataError(f"{where}: `date` must be a date such as 2024-01-02, was {date!r}") from None
    stamp = pd.Timestamp(date) if isinstance(date, dt.date | np.datetime64) else pd.NaT
    if pd.isna(stamp) or stamp.tzinfo is not None or stamp != stamp.normalize():
        raise DataError(f"{where}: `date` must be a date without time or zone, was {date!r}")
    return int(stamp.as_unit("ns").value)


def _table(found: list[_Action]) -> pd.DataFrame:
    symbols, dates, kinds, values, _ = zip(*found, strict=True) if found else ((),) * 5
    return pd.DataFrame(
        {
            "symbol": pd.Series(symbols, dtype=object),
            "date": np.array(dates, dtype=np.int64).astype("datetime64[ns]"),
            "kind": pd.Series(kinds, dtype=object),
            "value": np.array(values, dtype=np.float64),
        }
    )


# ---- LEAN's factor files


class _LeanRow(NamedTuple):
    where: str
    day_ns: int
    price_factor: float
    split_factor: float
    close: float
    split_error: float  # relative, of what the file has rounded


def _lean_row(where: str, row: list[str]) -> _LeanRow:
    if len(row) < 4:
        raise DataError(f"{where}: has {len(row)} fields; needed are day, price factor, split factor, close")
    try:
        day = dt.datetime.strptime(row[0].strip(), "%Y%m%d")  # noqa: DTZ007 - a date, in nobody's zone
        price, split, close = (float(text) for text in row[1:4])
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
    if not (0.0 < price < math.inf and 0.0 < split < math.inf and 0.0 <= close < math.inf):
        raise DataError(
            f"{where}: factors must be above 0 and the close not below, were {', '.join(row[1:4])}"
        )
    n_digits = len(row[2].strip().partition(".")[2])
    rounding = 0.5 * 10.0**-n_digits / split if n_digits > _EXACT_DIGITS else 0.0
    return _LeanRow(where, int(pd.Timestamp(day).as_unit("ns").value), price, split, close, rounding)


def _lean_events(row: _LeanRow, after: _LeanRow) -> list[tuple[str, float]]:
    """What happened between two lines."""
    if after.day_ns <= row.day_ns:
        raise DataError(f"{after.where}: its day is not after that of the line before")
    kept = row.price_factor / after.price_factor
    if kept > 1.0:
        raise DataError(
            f"{after.where}: the price factor falls from {row.price_factor:g} to {after.price_factor:g}; "
            "a dividend makes it rise"
        )
    if kept < 1.0 and row.close == 0.0:
        raise DataError(f"{row.where}: the close was 0, and a dividend follows that is told as a share of it")
    events = [] if row.split_factor == after.split_factor else [("split", _ratio(row, after))]
    return events + ([("dividend", row.close * (1.0 - kept))] if kept < 1.0 else [])


def _ratio(row: _LeanRow, after: _LeanRow) -> float:
    """Ratio of a split: 1 / 0.333333 is 3, as far as six digits can tell."""
    printed = after.split_factor / row.split_factor
    is_forward = printed >= 1.0
    simple = Fraction(printed if is_forward else 1.0 / printed).limit_denominator(_MOST_SHARES)
    ratio = float(simple if is_forward else 1 / simple)
    return ratio if abs(ratio / printed - 1.0) <= row.split_error + after.split_error else printed


def _sessions_after(rows: list[_LeanRow]) -> list[int]:
    """The New York session after the day of each line."""
    if not rows:
        return []
    days = np.array([row.day_ns for row in rows])
    first, last = (str(np.datetime64(int(ns), "ns"))[:10] for ns in (days[0], days[-1] + 30 * DAY_NS))
    sessions = session_grid("XNYS", first, last).session_ns
    return [int(ns) for ns in sessions[np.searchsorted(sessions, days, side="right")]]


# ---- adjustment


def _check_raw(market: xr.Dataset) -> None:
    said = market.attrs["adjustment"]
    if said == "unknown":
        raise DataError(
            "nobody has said whether the market's prices are adjusted ('adjustment' is 'unknown'), and to "
            "adjust them twice would falsify them; import them with adjustment='raw' if they are as traded"
        )
    if said != "raw":
        raise DataError(f"the market's prices are adjusted already ('adjustment' is {said!r}, must be 'raw')")


def _is_inside(action: _Action, session_ns: IntArray, close: FloatArray, outside: Outside) -> bool:
    """Whether the symbol has a bar before the ex-date, and one from it on."""
    known = session_ns[~np.isnan(close)]
    if known.size and known[0] < action.date_ns <= known[-1]:
        return True
    if outside == "refuse":
        covered = f"after {_date_text(known[0])} and by {_date_text(known[-1])}" if known.size else "nowhere"
        raise DataError(
            f"{action.text} lies outside the market, which has bars on both sides {covered}; "
            "outside='drop' leaves such rows out"
        )
    return False


def _factors(actions: list[_Action], session_ns: IntArray, close: FloatArray) -> _Factors:
    """Factors of every bar: the product over the ex-dates after it."""
    dates = sorted({action.date_ns for action in actions})
    price, volume = np.ones(len(dates) + 1), np.ones(len(dates) + 1)
    for i in reversed(range(len(dates))):
        day = [action for action in actions if action.date_ns == dates[i]]
        ratio = math.prod(action.value for action in day if action.kind == "split")
        price[i] = price[i + 1] * _kept(day, session_ns, close) / ratio
        volume[i] = volume[i + 1] * ratio
    n_past = np.searchsorted(np.array(dates, dtype=np.int64), session_ns, side="right")
    return _Factors(price[n_past], volume[n_past])


def _kept(day: list[_Action], session_ns: IntArray, close: FloatArray) -> float:
    """Share of the close before that is left after the dividends of one day."""
    dividends = [action for action in day if action.kind == "dividend"]
    if not dividends:
        return 1.0
    ex_ns = dividends[0].date_ns
    before = int(np.flatnonzero((session_ns < ex_ns) & ~np.isnan(close))[-1])
    last = dividends[-1].text
    if ex_ns - session_ns[before] > STALE_DAYS * DAY_NS:
        raise DataError(
            f"{last}: the close before it is that of {_date_text(session_ns[before])}, more than "
            f"{STALE_DAYS} days earlier; a dividend in a gap cannot be related to a price"
        )
    paid = math.fsum(action.value for action in dividends)
    if paid >= close[before]:
        raise DataError(
            f"{last}: dividends of {paid:g} on that day, but the close before it "
            f"({_date_text(session_ns[before])}) was {close[before]:g}; they must be less"
        )
    return 1.0 - paid / float(close[before])


def _count(used: list[_Action], kind: str) -> str:
    n = sum(action.kind == kind for action in used)
    return f"{n} {kind}{'' if n == 1 else 's'}"


def _date_text(ts_ns: int | np.int64) -> str:
    return str(np.datetime64(int(ts_ns), "ns"))[:10]
