"""Splits and dividends: what a table may say, and that an adjusted market earns what its holder earned."""

import doctest
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import fluxhero as fx
import fluxhero.adapters.corporate_actions as corporate_actions
from fluxhero.adapters.corporate_actions import adjust, read_actions, read_lean_factors
from fluxhero.engine.errors import ConfigError, DataError, NotFoundError
from fluxhero.engine.market import from_arrays
from fluxhero.engine.validation import FIELDS

CLOSE = np.array([10.0, 12.0, np.nan, 6.0, 5.0])
DAYS = np.array(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"], "datetime64[ns]")


def market_of(close: np.ndarray, symbols: tuple[str, ...] = ("X",), **more) -> xr.Dataset:
    """Daily bars with these closes, (n_symbols, n_bars), from 2024-01-01 on."""
    close = np.atleast_2d(close)
    days = np.datetime64("2024-01-01", "ns") + np.arange(close.shape[1]) * np.timedelta64(1, "D")
    bars = (close * 1.01, close * 1.05, close * 0.9, close, np.where(np.isnan(close), np.nan, 1_000.0))
    said = {"timeframe": "1d", "adjustment": "raw", "asset_class": "equity"} | more
    return from_arrays(list(symbols), days + np.timedelta64(1, "D"), *bars, **said)


def table_of(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["symbol", "date", "kind", "value"])


def test_doctests():
    assert doctest.testmod(corporate_actions).failed == 0


class TestAdjust:
    def test_a_split_divides_what_was_before(self):
        adjusted = adjust(market_of(CLOSE), table_of(("X", "2024-01-04", "split", 2)))
        np.testing.assert_array_equal(adjusted["close"].values, [[5.0, 6.0, np.nan, 6.0, 5.0]])
        np.testing.assert_array_equal(adjusted["volume"].values, [[2000, 2000, np.nan, 1000, 1000]])

    def test_a_reverse_split_multiplies(self):
        adjusted = adjust(market_of(CLOSE), table_of(("X", "2024-01-02", "split", 0.1)))
        assert adjusted["close"].values[0, 0] == pytest.approx(100.0, rel=1e-15)
        assert adjusted["volume"].values[0, 0] == pytest.approx(100.0, rel=1e-15)

    def test_a_dividend_is_compared_with_the_last_known_close(self):
        """The third bar is missing: the close before the fourth is the second's."""
        adjusted = adjust(market_of(CLOSE), table_of(("X", "2024-01-04", "dividend", 3.0)))
        np.testing.assert_array_equal(adjusted["close"].values, [[7.5, 9.0, np.nan, 6.0, 5.0]])
        np.testing.assert_array_equal(adjusted["volume"].values, market_of(CLOSE)["volume"].values)

    def test_every_price_is_adjusted_and_counts_are_not(self):
        market = market_of(CLOSE)
        for name in ("bid", "ask", "vwap", "trades"):
            market[name] = market["close"].copy()
        adjusted = adjust(market, table_of(("X", "2024-01-05", "split", 4)))
        for name in ("open", "high", "low", "close", "bid", "ask", "vwap"):
            np.testing.assert_array_equal(adjusted[name].values[0, :4], market[name].values[0, :4] / 4)
        np.testing.assert_array_equal(adjusted["trades"].values, market["trades"].values)

    def test_what_was_done_is_said(self):
        table = table_of(
            ("X", "2024-01-02", "split", 2),
            ("X", "2024-01-02", "dividend", 1),
            ("X", "2024-01-05", "dividend", 1),
        )
        adjusted = adjust(market_of(CLOSE, source="a file"), table)
        assert adjusted.attrs["adjustment"] == "splits and dividends"
        assert adjusted.attrs["source"] == "a file; adjusted for 1 split and 2 dividends"

    def test_bars_of_a_day_are_adjusted_as_one(self):
        """Hours: the ex-date begins with its first hour, and the close before is the last hour's."""
        close = np.array([8.0] * 23 + [10.0] + [9.0] * 24)
        hours = np.datetime64("2024-01-01", "ns") + np.arange(1, 49) * np.timedelta64(1, "h")
        market = from_arrays("X", hours, *[close] * 4, np.ones(48), timeframe="1h", adjustment="raw")
        adjusted = adjust(market, table_of(("X", "2024-01-02", "dividend", 1.0)))["close"].values[0]
        np.testing.assert_array_equal(adjusted, np.where(np.arange(48) < 24, close * 0.9, close))

    def test_dates_of_a_table_may_be_of_any_kind(self):
        expected = adjust(market_of(CLOSE), table_of(("X", "2024-01-04", "split", 2)))
        for date in (
            np.datetime64("2024-01-04"),
            pd.Timestamp("2024-01-04"),
            pd.Timestamp("2024-01-04").date(),
        ):
            xr.testing.assert_identical(adjust(market_of(CLOSE), table_of(("X", date, "split", 2))), expected)

    @pytest.mark.parametrize("said", ["adjusted", "splits and dividends"])
    def test_an_adjusted_market_is_refused(self, said):
        with pytest.raises(DataError, match=f"adjusted already .'adjustment' is '{said}', must be 'raw'"):
            adjust(market_of(CLOSE, adjustment=said), table_of())

    def test_a_market_that_does_not_say_is_refused(self):
        with pytest.raises(DataError, match=r"'unknown'.*adjustment='raw' if they are as traded"):
            adjust(market_of(CLOSE, adjustment="unknown"), table_of())

    @pytest.mark.parametrize("date", ["2023-12-31", "2024-01-01", "2024-01-06"])
    def test_a_date_outside_is_refused_or_dropped(self, date):
        market, table = market_of(CLOSE), table_of(("X", date, "dividend", 1.0))
        with pytest.raises(DataError, match=f"row 0: the dividend of X on {date} lies outside") as caught:
            adjust(market, table)
        assert "after 2024-01-01 and by 2024-01-05" in str(caught.value)
        adjusted = adjust(market, table, outside="drop")
        assert adjusted.attrs["source"].endswith("; adjusted for 0 splits and 0 dividends")
        for name in FIELDS:
            np.testing.assert_array_equal(adjusted[name].values, market[name].values)

    def test_a_symbol_without_bars_has_no_inside(self):
        market = market_of(np.array([CLOSE, CLOSE * np.nan]), ("X", "EMPTY"))
        with pytest.raises(DataError, match=r"EMPTY on 2024-01-03 lies outside.* nowhere"):
            adjust(market, table_of(("EMPTY", "2024-01-03", "split", 2)))

    def test_an_unknown_symbol_is_refused(self):
        with pytest.raises(NotFoundError, match=r"row 0: the split of Z .*no such symbol; it has X"):
            adjust(market_of(CLOSE), table_of(("Z", "2024-01-04", "split", 2)))

    @pytest.mark.parametrize("paid", [(12.0,), (13.0,), (7.0, 5.0)])
    def test_dividends_reach_less_than_the_close_before(self, paid):
        table = table_of(*(("X", "2024-01-04", "dividend", value) for value in paid))
        with pytest.raises(DataError, match=r"close before it .2024-01-02. was 12; they must be less"):
            adjust(market_of(CLOSE), table)

    def test_a_dividend_in_a_long_gap_has_no_close(self):
        close = np.full(30, 10.0)
        close[5:25] = np.nan
        table = table_of(("X", "2024-01-20", "dividend", 1.0))
        with pytest.raises(DataError, match="that of 2024-01-05, more than 10 days earlier"):
            adjust(market_of(close), table)
        adjust(market_of(close), table_of(("X", "2024-01-20", "split", 2.0)))  # needs none

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            (("X", "2024-01-04", "split", 0), "row 0: the value of a split must be above 0, was 0"),
            (("X", "2024-01-04", "split", -2.0), "a split must be above 0, was -2.0"),
            (("X", "2024-01-04", "dividend", 0.0), "a dividend must be above 0, was 0.0"),
            (("X", "2024-01-04", "dividend", np.nan), "must be above 0, was nan"),
            (("X", "2024-01-04", "dividend", np.inf), "must be above 0, was inf"),
            (("X", "2024-01-04", "dividend", "3 EUR"), "`value` must be a number, was '3 EUR'"),
            (("X", "2024-01-04", "spinoff", 1.0), "`kind` must be one of split, dividend, was 'spinoff'"),
            (("X", "01/04/2024", "split", 2.0), "a date such as 2024-01-02, was '01/04/2024'"),
            (("X", pd.Timestamp("2024-01-04 10:00"), "split", 2.0), "without time or zone"),
            (("X", pd.Timestamp("2024-01-04", tz="UTC"), "split", 2.0), "without time or zone"),
            (("X", pd.NaT, "split", 2.0), "without time or zone, was NaT"),
            (("X", 20240104, "split", 2.0), "without time or zone, was 20240104"),
            (("", "2024-01-04", "split", 2.0), "`symbol` must be a text that is not empty, was ''"),
        ],
    )
    def test_impossible_rows_are_refused(self, row, message):
        with pytest.raises(DataError, match=message):
            adjust(market_of(CLOSE), table_of(row))

    def test_the_same_row_twice_is_refused(self):
        row = ("X", "2024-01-04", "dividend", 1.0)
        with pytest.raises(DataError, match="row 1: the dividend of X on 2024-01-04 is in row 0 already"):
            adjust(market_of(CLOSE), table_of(row, row))

    def test_missing_columns_are_named(self):
        with pytest.raises(DataError, match="lacks the columns kind, value; needed are symbol, date"):
            adjust(market_of(CLOSE), pd.DataFrame({"symbol": ["X"], "date": ["2024-01-04"]}))

    def test_another_answer_to_what_lies_outside(self):
        with pytest.raises(ConfigError, match="`outside` must be 'refuse' or 'drop', was 'keep'"):
            adjust(market_of(CLOSE), table_of(), outside="keep")


class TestFiles:
    def test_a_table_is_read_and_sorted(self, tmp_path: Path):
        path = tmp_path / "actions.csv"
        path.write_text(
            "date,kind,symbol,value,note\n2024-01-05,split,X,2,new shares\n2024-01-04,dividend,X,0.5,\n"
        )
        table = read_actions(path)
        assert list(table.columns) == ["symbol", "date", "kind", "value"]
        assert table["kind"].tolist() == ["dividend", "split"]
        assert table["date"].dtype == "datetime64[ns]"
        market = market_of(CLOSE)
        xr.testing.assert_identical(fx.adjust(market, path), fx.adjust(market, table))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "is no CSV table"),
            ("symbol,date\nX,2024-01-04\n", "lacks the columns kind, value"),
            ("symbol,date,kind,value\nX,2024-01-04,split,\n", "line 2: `value` must be a number, was ''"),
            (
                "symbol,date,kind,value\nX,2024-01-04,split,2\nX,2024-02-30,split,2\n",
                "line 3: `date` must be",
            ),
        ],
    )
    def test_a_bad_file_names_its_line(self, tmp_path: Path, text, message):
        path = tmp_path / "actions.csv"
        path.write_text(text)
        with pytest.raises(DataError, match=f"actions.csv.*{message}"):
            read_actions(path)

    def test_a_missing_file(self, tmp_path: Path):
        with pytest.raises(DataError, match="no such file"):
            read_actions(tmp_path / "nothing.csv")

    def test_an_empty_table_adjusts_nothing(self, tmp_path: Path):
        path = tmp_path / "actions.csv"
        path.write_text("symbol,date,kind,value\n")
        assert len(read_actions(path)) == 0
        assert adjust(market_of(CLOSE), path).attrs["adjustment"] == "splits and dividends"


class TestLeanFactors:
    def test_neighbours_differ_by_what_happened(self, tmp_path: Path):
        """Friday's line: the ex-date is Monday. A third is printed with six digits and still a third."""
        path = tmp_path / "abc.csv"
        path.write_text(
            "20240102,0.99,0.333333,1\n20240105,0.99,0.333333,50\n20240119,1,0.333333,30\n20501231,1,1,0\n"
        )
        table = read_lean_factors(path)
        assert table["symbol"].tolist() == ["ABC", "ABC"]
        assert table["date"].astype(str).tolist() == ["2024-01-08", "2024-01-22"]  # the 15th is a holiday
        assert table["kind"].tolist() == ["dividend", "split"]
        assert table["value"].tolist() == [pytest.approx(0.5), 3.0]

    @pytest.mark.parametrize(
        ("before", "after", "ratio"),
        [
            ("0.11111099", "0.333333", 3.0),
            ("0.5", "1", 2.0),
            ("8", "1", 0.125),
            ("0.666667", "1", 1.5),
            ("0.997307", "1", 1.0 / 0.997307),
        ],
    )
    def test_ratios(self, tmp_path: Path, before, after, ratio):
        path = tmp_path / "abc.csv"
        path.write_text(f"20240105,1,{before},50\n20501231,1,{after},0\n")
        assert read_lean_factors(path, "OTHER")["value"].tolist() == [ratio]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "the file is empty"),
            ("20240105,1,1\n", "line 1: has 3 fields"),
            ("2024-01-05,1,1,50\n", "line 1: time data '2024-01-05' does not match"),
            ("20240105,1,one,50\n", "line 1: could not convert string to float: 'one'"),
            ("20240105,1,0,50\n", "line 1: factors must be above 0"),
            ("20240105,1,1,50\n20240105,1,1,0\n", "line 2: its day is not after"),
            ("20240105,0.9,1,0\n20501231,1,1,0\n", "line 1: the close was 0"),
            ("20240105,1,1,50\n20501231,0.9,1,0\n", "line 2: the price factor falls from 1 to 0.9"),
        ],
    )
    def test_a_bad_file_names_its_line(self, tmp_path: Path, text, message):
        path = tmp_path / "abc.csv"
        path.write_text(text)
        with pytest.raises(DataError, match=f"abc.csv.*{message}"):
            read_lean_factors(path)


# ---- generated: the holder, day by day, in plain Python


@st.composite
def cases(draw) -> tuple[np.ndarray, pd.DataFrame]:
    """Closes of two symbols with missing bars, and a table of what happened to them."""
    n_bars = draw(st.integers(3, 12))
    price = st.floats(0.5, 500.0)
    close = np.array([draw(st.lists(price, min_size=n_bars, max_size=n_bars)) for _ in "XY"])
    for row in close:
        row[draw(st.lists(st.integers(1, n_bars - 2), max_size=4))] = np.nan
    rows = []
    for name in "XY":
        for day in draw(st.lists(st.integers(1, n_bars - 1), unique=True, max_size=5)):
            date = str(np.datetime64("2024-01-01") + day)
            ratios = draw(st.lists(st.sampled_from([0.1, 0.5, 1.5, 2.0, 3.0, 20.0]), unique=True, max_size=2))
            dividends = draw(st.lists(st.floats(0.001, 0.2), unique=True, max_size=2))
            rows += [(name, date, "split", ratio) for ratio in ratios]
            rows += [(name, date, "dividend", value) for value in dividends]
    return close, table_of(*draw(st.permutations(rows)))


def shares_held(close: np.ndarray, table: pd.DataFrame) -> list[float]:
    """Shares after each day of whoever begins with one and buys at the close before less the dividend."""
    shares, before, held = 1.0, np.nan, []
    for day, price in enumerate(close):
        today = table[table["date"] == str(np.datetime64("2024-01-01") + day)]
        paid = today["value"][today["kind"] == "dividend"].sum()
        if paid:
            shares += shares * paid / (before - paid)
        for ratio in today["value"][today["kind"] == "split"]:
            shares *= ratio
        before = before if np.isnan(price) else price
        held.append(shares)
    return held


@given(cases())
def test_returns_are_those_of_the_holder(case):
    close, table = case
    market = market_of(close, ("X", "Y"))
    adjusted = adjust(market, table)
    for row, name in enumerate("XY"):
        value = close[row] * shares_held(close[row], table[table["symbol"] == name])
        found = adjusted["close"].values[row]
        np.testing.assert_allclose(found / found[0], value / value[0], rtol=1e-12)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(case, random):
    close, table = case
    rows = list(range(len(table)))
    random.shuffle(rows)
    market = market_of(close, ("X", "Y"))
    xr.testing.assert_identical(adjust(market, table), adjust(market, table.iloc[rows]))


@given(cases())
def test_nothing_but_prices_and_volumes_changes(case):
    close, table = case
    market = market_of(close, ("X", "Y"))
    before = market.copy(deep=True)
    adjusted = adjust(market, table)
    xr.testing.assert_identical(market, before)
    assert set(adjusted.data_vars) == set(market.data_vars)
    for name in market.coords:
        xr.testing.assert_identical(adjusted[name].variable, market[name].variable)
    for name in FIELDS:
        np.testing.assert_array_equal(np.isnan(adjusted[name]), np.isnan(market[name]))
        np.testing.assert_array_equal(adjusted[name].values[:, -1], market[name].values[:, -1])
    with pytest.raises(DataError, match="adjusted already"):
        adjust(adjusted, table)


@given(cases())
def test_splits_alone_keep_what_was_traded(case):
    close, table = case
    market = market_of(close, ("X", "Y"))
    adjusted = adjust(market, table[table["kind"] == "split"])
    traded = adjusted["close"].values * adjusted["volume"].values
    np.testing.assert_allclose(traded, market["close"].values * market["volume"].values, rtol=1e-13)
