"""Times as files write them, turned into UTC nanoseconds or session dates.

A column holds instants with a zone (ISO 8601, epoch numbers, Parquet timestamps), local times without one, or
plain dates. Local times are refused unless the column's name ends in ``_utc`` or the caller names the zone,
because a guess would shift every bar by hours. A row that differs in kind from the rest is bad.
"""

import re
import zoneinfo
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..engine.errors import DataError
from ..engine.market import BoolArray, IntArray
from ..engine.timeframe import DAY_NS

_FIRST_NS = np.datetime64("1886-01-01", "ns").astype(np.int64)  # what calendars know about
_LAST_NS = np.datetime64("2200-01-01", "ns").astype(np.int64)

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d(:?\d\d)?)")
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?")

# Seconds to nanoseconds since 1970, told apart by size: 1973 to 2128 in each unit.
_EPOCH_UNITS = ((1e8, 5e9, 1_000_000_000), (1e11, 5e12, 1_000_000), (1e14, 5e15, 1_000), (1e17, 5e18, 1))

Kind = Literal["instant", "local", "date"]


class Stamps(NamedTuple):
    """A column of times, each array of shape (n_rows,)."""

    is_date: bool  # session dates (midnights) rather than instants
    ns: IntArray  # nanoseconds since 1970: UTC, or the date's midnight; 0 where bad
    is_unreadable: BoolArray
    is_ambiguous: BoolArray  # local times that the zone's clocks skip or repeat


def read_stamps(values: Any, name: str, where: str, timezone: str | None) -> Stamps:
    """Times of a column.

    Parameters
    ----------
    values : pyarrow array
        Text, integers, timestamps or dates.
    name : str
        What the file calls the column; a name that ends in "_utc" declares its zone.
    where : str
        The file, for errors.
    timezone : str or None
        IANA zone of local times, such as "America/New_York".

    Raises
    ------
    DataError
        If the column as a whole is no time, or is local time of an unknown zone.
    """
    kind, ns, is_bad = _parse(values, name, where)
    is_bad |= (ns < _FIRST_NS) | (ns > _LAST_NS)
    nothing = np.zeros(ns.size, np.bool_)
    if kind == "local" and bool(np.all(ns[~is_bad] % DAY_NS == 0)):
        kind = "date"  # pandas writes dates as midnights
    if kind == "date":
        return Stamps(True, np.where(is_bad, 0, ns), is_bad, nothing)
    is_ambiguous = nothing
    if kind == "local" and not name.lower().endswith("_utc"):
        if timezone is None:
            raise DataError(
                f"{where}: the times in {name!r} have no zone; name it with timezone='UTC' or "
                "timezone='America/New_York' (--timezone), or call the column timestamp_utc"
            )
        ns, is_ambiguous = _to_utc(np.where(is_bad, 0, ns), timezone)
        is_ambiguous &= ~is_bad
    return Stamps(False, np.where(is_bad | is_ambiguous, 0, ns), is_bad, is_ambiguous)


def check_timezone(timezone: str) -> None:
    """Refuse a zone that does not exist."""
    try:
        zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise DataError(
            f"`timezone` {timezone!r} is unknown; use a name such as UTC or America/New_York"
        ) from None


def _parse(values: Any, name: str, where: str) -> tuple[Kind, IntArray, BoolArray]:
    """Kind, nanoseconds and bad rows of a column of any type."""
    types, column = pa.types, values.type
    is_null = np.asarray(pc.is_null(values))
    if types.is_timestamp(column):
        ns, is_out = _scaled(values, {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[column.unit])
        return ("instant" if column.tz else "local"), ns, is_null | is_out
    if types.is_date(column):
        days = pc.cast(pc.cast(values, pa.date32()), pa.int32())
        ns, is_out = _scaled(days, DAY_NS)
        return "date", ns, is_null | is_out
    if types.is_integer(column):
        kind, ns = _epoch(values, name, where)
        return kind, ns, is_null
    if types.is_string(column) or types.is_large_string(column) or types.is_string_view(column):
        return _parse_text(values, name, where)
    raise DataError(
        f"{where}: column {name!r} holds {column}, must be times (ISO 8601, timestamps or epoch numbers)"
    )


def _parse_text(values: Any, name: str, where: str) -> tuple[Kind, IntArray, BoolArray]:
    """All rows at once where they are of one kind, which they are in a good file; else row by row."""
    nothing = np.zeros(len(values), np.bool_)
    targets: tuple[tuple[Kind, Any], ...] = (
        ("instant", pa.timestamp("ns", "UTC")),
        ("date", pa.date32()),
        ("local", pa.timestamp("ns")),
    )
    for kind, target in targets:
        try:
            cast = pc.cast(values, target)
        except pa.ArrowInvalid:
            continue
        if cast.null_count:
            break
        ns, is_out = _scaled(pc.cast(cast, pa.int32()), DAY_NS) if kind == "date" else _scaled(cast, 1)
        return kind, ns, nothing | is_out
    try:
        numbers = pc.cast(values, pa.int64())
    except pa.ArrowInvalid:
        pass
    else:
        kind, ns = _epoch(numbers, name, where)
        return kind, ns, np.asarray(pc.is_null(values))
    return _parse_rows(values.to_pylist(), name, where)


def _parse_rows(texts: list[str | None], name: str, where: str) -> tuple[Kind, IntArray, BoolArray]:
    """Row by row, where some rows are not like the others; the commonest kind is the good one."""
    patterns: tuple[tuple[Kind, re.Pattern[str]], ...] = (
        ("instant", _INSTANT),
        ("local", _LOCAL),
        ("date", _DATE),
    )
    kinds: list[Kind | None] = []
    ns = np.zeros(len(texts), np.int64)
    for row, text in enumerate(texts):
        stripped = "" if text is None else text.strip()
        kind = next((kind for kind, pattern in patterns if pattern.fullmatch(stripped)), None)
        parsed = _one_ns(stripped, kind) if kind else None
        kinds.append(kind if parsed is not None else None)
        ns[row] = parsed or 0
    counts = {kind: kinds.count(kind) for kind, _ in patterns}
    usual = max(counts, key=lambda kind: counts[kind])
    if counts[usual] == 0:
        shown = next((text for text in texts if text), "")
        raise DataError(
            f"{where}: column {name!r} holds {shown!r}, which is no time that can be read; "
            "write ISO 8601: 2024-01-02T14:31:00Z, or 2024-01-02 for daily bars"
        )
    return usual, ns, np.array([kind != usual for kind in kinds])


def _one_ns(text: str, kind: Kind) -> int | None:
    """Nanoseconds of one text of a known kind, None if there is no such day or hour."""
    target = pa.timestamp("ns", "UTC") if kind == "instant" else pa.timestamp("ns")
    try:
        return int(pc.cast(pa.scalar(text), target).value)
    except pa.ArrowInvalid:
        return None


def _scaled(values: Any, factor: int) -> tuple[IntArray, BoolArray]:
    """Integers of a coarser unit as nanoseconds, and which of them do not fit."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    plain = pc.fill_null(values.view(pa.int32() if values.type.bit_width == 32 else pa.int64()), 0)
    units = plain.to_numpy(zero_copy_only=False).astype(np.int64)
    is_out = np.abs(units) > np.iinfo(np.int64).max // factor
    return np.where(is_out, 0, units) * factor, is_out


def _epoch(values: Any, name: str, where: str) -> tuple[Kind, IntArray]:
    """Integers as instants since 1970, or as dates written 20240102."""
    numbers = pc.fill_null(pc.cast(values, pa.int64()), 0).to_numpy(zero_copy_only=False)
    known = numbers[numbers != 0]
    if known.size and known.min() >= 18_850_101 and known.max() <= 22_000_101:
        return "date", _compact_dates(numbers)
    for low, high, factor in _EPOCH_UNITS:
        if known.size and known.min() >= low and known.max() <= high:
            return "instant", numbers * factor
    shown = f"{known.min()} to {known.max()}" if known.size else "nothing"
    raise DataError(
        f"{where}: the numbers in {name!r} ({shown}) are no times of one unit; "
        "read are epoch seconds, milliseconds, microseconds, nanoseconds, and dates such as 20240102"
    )


def _compact_dates(numbers: IntArray) -> IntArray:
    """Midnights of dates written as one number; 0 where there is no such day."""
    year, month, day = numbers // 10_000, numbers // 100 % 100, numbers % 100
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = months.astype("datetime64[D]") + (day - 1)
    is_day = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == months)
    return np.where(is_day, days.astype("datetime64[ns]").astype(np.int64), _LAST_NS + 1)


def _to_utc(local_ns: IntArray, timezone: str) -> tuple[IntArray, BoolArray]:
    """Local times as UTC, and which of them the clocks skip or repeat."""
    import pandas as pd  # the zone's rules, without needing the platform's zone files

    check_timezone(timezone)
    local = pd.DatetimeIndex(local_ns.view("datetime64[ns]"))
    placed = local.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT").tz_convert(None)
    ns = placed.to_numpy().astype("datetime64[ns]").astype(np.int64)
    is_ambiguous = np.isnat(ns.view("datetime64[ns]"))
    return np.where(is_ambiguous, 0, ns), is_ambiguous
