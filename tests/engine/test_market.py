"""The market cube: what it accepts, what it refuses and in which words, and what its readers hand out."""

import datetime as dt
import doctest
import time

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fluxhero.engine.market as market_module
from fluxhero.engine.errors import DataError, NotFoundError
from fluxhero.engine.market import (
    check_market,
    data_hash,
    from_arrays,
    market_cube,
    select,
    symbol_bars,
)

FIELDS = ("open", "high", "low", "close", "volume")
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
START_NS = np.datetime64("2024-02-28", "ns").astype(np.int64)


def _bars(n_symbols: int, n_bars: int, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    close = np.round(100.0 + rng.normal(size=(n_symbols, n_bars)).cumsum(axis=1) * 0.1, 2)
    open_ = np.round(close + rng.normal(size=close.shape) * 0.05, 2)
    high, low = np.maximum(open_, close) + 0.1, np.minimum(open_, close) - 0.1
    return {"open": open_, "high": high, "low": low, "close": close, "volume": np.full(close.shape, 10.0)}


def _market(n_symbols: int = 2, n_bars: int = 72, **changes: object) -> xr.Dataset:
    """Hour bars of a 24/7 market across a leap day."""
    ts_ns = START_NS + HOUR_NS * np.arange(1, n_bars + 1)
    session = (ts_ns - 1) // DAY_NS * DAY_NS
    arguments = {
        "symbols": [f"S{i}" for i in range(n_symbols)],
        "time": ts_ns,
        "session": session,
        "session_close": session + DAY_NS,
        "bars": _bars(n_symbols, n_bars),
        "timeframe": "1h",
        "calendar": "24/7",
        "source": "made for a test",
        "asset_class": "crypto",
    }
    return market_cube(**{**arguments, **changes})


def test_cube_has_the_agreed_layout():
    market = _market()
    assert market["close"].dims == ("symbol", "time")
    assert [market[name].dtype for name in FIELDS] == [np.dtype("float64")] * 5
    assert (
        market["time"].dtype == market["session"].dtype == market["session_close"].dtype == "datetime64[ns]"
    )
    assert market["symbol"].dtype == object
    assert market.attrs["sessions_per_year"] == 365
    assert market.attrs["generated"] == 0
    assert market["lot_size"].values.tolist() == [1e-8, 1e-8]


def test_equity_lots_are_whole_shares_by_default():
    ts_ns = START_NS + DAY_NS * np.arange(3)
    market = market_cube(
        symbols=["S0"],
        time=ts_ns + 21 * HOUR_NS,
        session=ts_ns,
        session_close=ts_ns + 21 * HOUR_NS,
        bars=_bars(1, 3),
        timeframe="1d",
        calendar="XNYS",
        source="made for a test",
    )
    assert market["lot_size"].item() == 1.0
    assert market["tick_size"].item() == 0.01
    assert market.attrs["sessions_per_year"] == 252


def test_missing_bars_are_nan_in_all_fields():
    bars = _bars(2, 72)
    for values in bars.values():
        values[1, 5] = np.nan
    assert np.isnan(_market(bars=bars)["close"].values[1, 5])


def test_half_missing_bar_is_refused_by_name():
    bars = _bars(2, 72)
    bars["volume"][1, 5] = np.nan
    with pytest.raises(
        DataError, match=r"bars of 'S1': .*bar 5 \(2024-02-28 06:00 UTC\): volume was nan.*all five"
    ):
        _market(bars=bars)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("high", 1.0, "high below open or close at bar 7 .*high was 1.0, must be at least max"),
        ("low", 500.0, "low above open or close at bar 7 .*low was 500.0, must be at most min"),
        ("close", -1.0, "price not above zero at bar 7 .*close was -1.0, must be above 0"),
        ("open", 0.0, "price not above zero"),
        ("volume", -5.0, "negative volume at bar 7 .*volume was -5.0, must be 0 or more"),
        ("close", np.inf, "infinite value at bar 7"),
    ],
)
def test_impossible_bar_is_refused_with_symbol_time_value_and_rule(field, value, message):
    bars = _bars(2, 72)
    bars[field][0, 7] = value
    with pytest.raises(DataError, match=f"bars of 'S0': .*{message}"):
        _market(bars=bars)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timeframe": "2h"}, "'timeframe' was '2h'; allowed are .*'1h'"),
        ({"calendar": "LSE"}, "'calendar' was 'LSE'; allowed are"),
        ({"adjustment": "split"}, "'adjustment' was 'split'"),
        ({"symbols": ["S0", "S0"]}, r"symbols must occur once.*\['S0'\]"),
        ({"symbols": ["S0", ""]}, "a symbol must be a text"),
        ({"symbols": ["S0"]}, r"`open` has the shape \(2, 72\), must be \(1, 72\)"),
        ({"asset_class": "bond"}, "asset class of 'S0' was 'bond'"),
        ({"asset_class": ["crypto"]}, "`asset_class` has 1 values for 2 symbols"),
        ({"tick_size": 0.0}, "tick_size of 'S0' was 0.0; must be above 0"),
        ({"lot_size": [1.0, np.nan]}, "lot_size of 'S1' was nan"),
        ({"bars": {**_bars(2, 72), "size": np.ones((2, 72))}}, r"unknown fields \['size'\]"),
        ({"bars": {"open": np.ones((2, 72))}}, "lacks the variables"),
        ({"time": ["yesterday"]}, "`time` must be UTC times"),
        ({"time": START_NS + HOUR_NS * np.arange(144).reshape(2, 72)}, "`time` must have one dimension"),
    ],
)
def test_wrong_arguments_are_refused_by_name(change, message):
    with pytest.raises(DataError, match=message):
        _market(**change)


def test_unordered_time_names_the_bar():
    ts_ns = START_NS + HOUR_NS * np.arange(1, 73)
    ts_ns[10], ts_ns[11] = ts_ns[11], ts_ns[10]
    with pytest.raises(DataError, match=r"bar 11 \(2024-02-28 11:00 UTC\) precedes bar 10"):
        _market(time=ts_ns)


def test_repeated_time_names_the_bar():
    ts_ns = START_NS + HOUR_NS * np.arange(1, 73)
    ts_ns[11] = ts_ns[10]
    with pytest.raises(DataError, match=r"bar 11 .* repeats bar 10"):
        _market(time=ts_ns)


@pytest.mark.parametrize(
    ("name", "bar", "value", "message"),
    [
        ("session", 3, START_NS + HOUR_NS, "'session' must be a midnight"),
        ("session", 30, START_NS - DAY_NS, "sessions are not in order: bar 30"),
        ("session_close", 3, START_NS, "closes .* after its session"),
        (
            "session_close",
            3,
            START_NS + 30 * HOUR_NS,
            "'session_close' differs within session 2024-02-28 at bar",
        ),
        ("time", 3, np.iinfo(np.int64).min, "'time' of bar 3 is not a time"),
    ],
)
def test_inconsistent_sessions_are_refused(name, bar, value, message):
    market = _market()
    values = market[name].values.copy()
    values[bar] = np.datetime64(int(value), "ns")
    dims = "time"
    with pytest.raises(DataError, match=message):
        check_market(market.assign_coords({name: (dims, values)}))


def test_bar_before_the_end_of_the_session_before_is_refused():
    market = _market()
    close = market["session_close"].values.copy()
    close[:24] += np.timedelta64(2, "h")
    with pytest.raises(DataError, match=r"bar 24 .* closes before the session before it has ended"):
        check_market(market.assign_coords(session_close=("time", close)))


@pytest.mark.parametrize(
    "name", [*FIELDS, "session", "session_close", "asset_class", "tick_size", "lot_size"]
)
def test_missing_piece_is_named(name):
    with pytest.raises(DataError, match=f"'{name}'"):
        check_market(_market().drop_vars(name))


@pytest.mark.parametrize(
    "key", ["timeframe", "adjustment", "calendar", "generated", "source", "sessions_per_year"]
)
def test_missing_attribute_is_named(key):
    market = _market()
    del market.attrs[key]
    with pytest.raises(DataError, match=f"'{key}'"):
        check_market(market)


def test_wrong_dtype_and_dims_are_refused():
    market = _market()
    with pytest.raises(DataError, match="'close' must be float64, is float32"):
        check_market(market.assign(close=market["close"].astype(np.float32)))
    with pytest.raises(DataError, match="'close' must have the dims"):
        check_market(market.assign(close=market["close"].transpose()))
    with pytest.raises(DataError, match=r"must be an xarray.Dataset, was dict"):
        check_market({})
    with pytest.raises(DataError, match="the market has no symbol"):
        check_market(market.isel(symbol=slice(0)))


def test_input_arrays_are_left_alone():
    bars = _bars(2, 72)
    before = {name: values.copy() for name, values in bars.items()}
    _market(bars=bars)
    for name, values in bars.items():
        np.testing.assert_array_equal(values, before[name])


def test_symbol_bars_are_contiguous_and_counted_by_session():
    bars = symbol_bars(_market(), "S1")
    assert bars.symbol == "S1"
    assert all(getattr(bars, name).flags.c_contiguous for name in FIELDS)
    assert bars.session_idx.tolist() == [0] * 24 + [1] * 24 + [2] * 24
    assert bars.ts_ns[0] == START_NS + HOUR_NS
    assert bars.session_close_ns[23] == bars.ts_ns[23]


def test_unknown_symbol_lists_those_that_exist():
    with pytest.raises(NotFoundError, match="no symbol 'SPY'; it has S0, S1"):
        symbol_bars(_market(), "SPY")


def test_select_keeps_the_wanted_order_of_symbols():
    part = select(_market(3), ["S2", "S0"])
    assert part["symbol"].values.tolist() == ["S2", "S0"]
    check_market(part)


def test_select_by_date_takes_whole_sessions():
    part = select(_market(), start="2024-02-29", stop=dt.date(2024, 3, 1))
    assert np.unique(part["session"].values) == np.datetime64("2024-02-29")
    assert part.sizes["time"] == 24
    assert part["time"].values[-1] == np.datetime64("2024-03-01T00:00")


def test_select_by_instant_takes_bars_that_lie_inside():
    part = select(_market(), start="2024-02-29T10:00", stop=pd.Timestamp("2024-02-29T12:00", tz="UTC"))
    expected = np.array(["2024-02-29T11:00", "2024-02-29T12:00"], "datetime64[ns]")
    np.testing.assert_array_equal(part["time"].values, expected)


def test_empty_selection_says_what_there_is():
    with pytest.raises(DataError, match=r"no bar between .* the market covers 2024-02-28 to 2024-03-01"):
        select(_market(), start="2025-01-01")
    with pytest.raises(DataError, match="`start` must be a date or a time"):
        select(_market(), start="soon")
    with pytest.raises(NotFoundError, match="'X'"):
        select(_market(), "X")


def test_hash_ignores_memory_layout_and_provenance():
    market = _market()
    other = market.copy(deep=True)
    other["close"] = (("symbol", "time"), np.asfortranarray(market["close"].values))
    other.attrs["source"] = "elsewhere"
    assert data_hash(other) == data_hash(market)


def test_hash_ignores_the_bits_of_nan():
    bars = _bars(2, 72)
    for values in bars.values():
        values[0, 3] = np.nan
    market = _market(bars=bars)
    for values in bars.values():
        values.view(np.int64)[0, 3] = 0x7FF8000000000123
    assert np.isnan(bars["close"][0, 3])
    assert data_hash(_market(bars=bars)) == data_hash(market)


@pytest.mark.parametrize("name", [*FIELDS, "time", "tick_size", "symbol"])
def test_hash_notices_every_change(name):
    market = _market()
    values = market[name].values.copy()
    if name == "symbol":
        values[0] = "Q"
    elif name == "time":
        values[-1] -= np.timedelta64(1, "m")
    else:
        values.flat[0] = np.nextafter(values.flat[0], 1e9)
    changed = market.copy()
    changed[name] = (market[name].dims, values)
    assert data_hash(changed) != data_hash(market)


def test_hash_is_the_same_everywhere():
    # Frozen: stored results carry this hash, so a change of it would orphan them.
    bars = {name: np.array([[1.0, 2.0]]) for name in FIELDS}
    market = from_arrays("S", ["2024-01-01T01", "2024-01-01T02"], *bars.values(), timeframe="1h")
    assert data_hash(market) == "695c430bf6c9c0e256ab97f5088f58f15efaad03b3ac4c74102068e2fe75d1e2"


def test_arrays_of_one_symbol_become_a_market():
    bars = {name: values[0] for name, values in _bars(1, 48).items()}
    time_of = pd.date_range("2024-02-28T01:00", periods=48, freq="h")
    market = from_arrays("COIN", time_of, *bars.values(), timeframe="1h")
    assert market["asset_class"].item() == "crypto"
    assert np.unique(market["session"].values).size == 2
    assert market["session_close"].values[0] == np.datetime64("2024-02-29")


def test_zoned_times_are_taken_as_utc():
    bars = {name: values[0] for name, values in _bars(1, 2).items()}
    zoned = pd.DatetimeIndex(["2024-01-01T00:00", "2024-01-01T01:00"], tz="America/New_York")
    market = from_arrays("COIN", zoned, *bars.values(), timeframe="1h")
    assert market["time"].values[0] == np.datetime64("2024-01-01T05:00")


def test_exchange_arrays_need_their_sessions():
    bars = {name: values[0] for name, values in _bars(1, 2).items()}
    with pytest.raises(DataError, match="`session` and `session_close` are needed for calendar 'XNYS'"):
        from_arrays(
            "SPY", ["2024-01-02T21", "2024-01-03T21"], *bars.values(), timeframe="1d", calendar="XNYS"
        )


def test_a_year_of_minutes_is_checked_and_hashed_quickly():
    n_symbols, n_bars = 8, 98_000
    bars = _bars(n_symbols, n_bars)
    minute_ns = HOUR_NS // 60
    ts_ns = START_NS + minute_ns * np.arange(1, n_bars + 1)
    session = (ts_ns - 1) // DAY_NS * DAY_NS
    started = time.perf_counter()
    market = _market(
        n_symbols, time=ts_ns, session=session, session_close=session + DAY_NS, bars=bars, timeframe="1m"
    )
    data_hash(market)
    # 0.06 s when idle; ten times that is still no cost to anybody.
    assert time.perf_counter() - started < 0.6


def test_examples_in_docstrings_run():
    assert doctest.testmod(market_module).failed == 0
