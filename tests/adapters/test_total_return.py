"""Real shares through real splits and dividends: the adjusted market earns what a holder earned.

The holder is worked out here from the raw files, line by line and without FluxHero: one share at the first
close; a dividend buys new shares at the close before its ex-date less the dividend, and a split multiplies
them. Needs FLUXHERO_DATA.
"""

import csv
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fluxhero as fx
from fluxhero.engine.market import select

STRATEGY = str(Path(__file__).resolve().parents[1] / "data" / "strategies" / "buy_and_hold.py")
FREE = fx.Costs(commission_per_share=0.0, slippage=0.0, impact=0.0, borrow_rate=0.0)
ALL_IN = fx.Risk(max_position=1.0, max_deployed=1.0, cash_rate=0.0, risk_free_rate=0.0)
CLOSE_TO = {"rel": 1e-9, "abs": 0.0}

# Years in which the ticker is one company: EEM was another until April 2003, QQQ was QQQQ from 2004 to 2011.
PERIODS = [
    pytest.param(*period, id=" ".join(period))
    for period in (
        ("SPY", "2008-01-01", "2009-01-01"),
        ("SPY", "2007-01-01", "2010-01-01"),
        ("SPY", "1998-01-01", "2020-01-01"),
        ("IBM", "1999-01-01", "2000-01-01"),  # 2:1 on 1999-05-27
        ("IBM", "2007-01-01", "2010-01-01"),
        ("IWM", "2005-01-01", "2006-01-01"),  # 2:1 on 2005-06-09
        ("IWM", "2007-01-01", "2010-01-01"),
        ("EEM", "2008-01-01", "2009-01-01"),  # 3:1 on 2008-07-24
        ("EEM", "2003-05-01", "2020-01-01"),  # and on 2005-06-09
        ("QQQ", "2000-01-01", "2001-01-01"),  # 2:1 on 2000-03-20
        ("QQQ", "2011-04-01", "2020-01-01"),
    )
]


class Holder(NamedTuple):
    """What a holder has, worked out from the raw files."""

    open: np.ndarray  # (n_bars,), raw
    close: np.ndarray
    shares: np.ndarray  # (n_bars,) at each close, of one share at the first
    n_splits: int
    n_dividends: int


@pytest.fixture(scope="module")
def bars(real_data: Path):
    """Raw market of a symbol, read once."""
    read: dict[str, xr.Dataset] = {}

    def market(symbol: str) -> xr.Dataset:
        if symbol not in read:
            path = real_data / "us_daily" / f"lean_{symbol}_daily_raw.csv"
            read[symbol] = fx.import_bars(path, adjustment="raw", lot_size=1e-8).market
        return read[symbol]

    return market


def factor_file(real_data: Path, symbol: str) -> Path:
    return real_data / "corporate_actions" / "lean_factor_files" / f"{symbol.lower()}.csv"


def holder(real_data: Path, symbol: str, start: str, stop: str) -> Holder:
    with (real_data / "us_daily" / f"lean_{symbol}_daily_raw.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if start <= row["date"] < stop]
    with factor_file(real_data, symbol).open() as file:
        lines = [(f"{d[:4]}-{d[4:6]}-{d[6:]}", float(p), float(s)) for d, p, s, *_ in csv.reader(file)]
    after = {before[0]: (before, line) for before, line in pairwise(lines)}
    shares, held, n_splits, n_dividends = 1.0, [1.0], 0, 0
    for yesterday in rows[:-1]:
        if yesterday["date"] in after:  # what the line says has happened by the next morning
            (_, price, split), (_, price_after, split_after) = after[yesterday["date"]]
            close = float(yesterday["close"])
            dividend = close * (1.0 - price / price_after)
            shares += shares * dividend / (close - dividend)
            ratio = round(split_after / split, 4)  # the file prints a third with six digits
            shares *= ratio
            n_splits += ratio != 1.0
            n_dividends += dividend > 0.0
        held.append(shares)
    prices = ([float(row[name]) for row in rows] for name in ("open", "close"))
    return Holder(*map(np.array, (*prices, held)), n_splits, n_dividends)


@pytest.fixture(scope="module")
def adjusted(real_data: Path, bars):
    def market(symbol: str, start: str, stop: str) -> xr.Dataset:
        part = select(bars(symbol), start=start, stop=stop)
        return fx.adjust(part, fx.read_lean_factors(factor_file(real_data, symbol)), outside="drop")

    return market


@pytest.mark.parametrize(("symbol", "start", "stop"), PERIODS)
class TestTotalReturn:
    def test_adjusted_closes_return_what_the_holder_got(self, real_data, adjusted, symbol, start, stop):
        market, truth = adjusted(symbol, start, stop), holder(real_data, symbol, start, stop)
        assert truth.n_dividends + truth.n_splits > 0
        assert f"{truth.n_dividends} dividend" in market.attrs["source"]
        assert f"{truth.n_splits} split" in market.attrs["source"]
        close = market["close"].values[0]
        value = truth.shares * truth.close
        np.testing.assert_allclose(close / close[0], value / value[0], rtol=1e-9)

    def test_buy_and_hold_returns_what_the_holder_got(self, real_data, adjusted, symbol, start, stop):
        """In at the second open, after one decision; cash that bought nothing stays as it is."""
        market, truth = adjusted(symbol, start, stop), holder(real_data, symbol, start, stop)
        run = fx.backtest(STRATEGY, market, costs=FREE, risk=ALL_IN)
        entry = run.fills.iloc[0]
        assert len(run.fills) == 1
        idle = run.initial_cash - entry["qty"] * entry["price"]
        assert 0.0 <= idle < 0.1 * run.initial_cash  # the open was lower than the close that sized
        final = float(run.metrics["final_equity"][0])
        growth = (final - idle) / (run.initial_cash - idle)
        assert growth == pytest.approx(
            truth.shares[-1] * truth.close[-1] / (truth.shares[1] * truth.open[1]), **CLOSE_TO
        )
        assert growth == pytest.approx(
            market["close"].values[0, -1] / market["open"].values[0, 1], **CLOSE_TO
        )

    def test_costs_take_exactly_what_was_paid(self, adjusted, symbol, start, stop):
        """With a tenth in reserve both runs buy the same shares, and differ by nothing but the costs."""
        market = adjusted(symbol, start, stop)
        costs = fx.Costs(
            commission_per_share=0.005,
            commission_per_order=1.0,
            commission_rate=0.0002,
            slippage=0.0005,
            impact=0.0,
        )
        risk = fx.Risk(max_position=0.9, max_deployed=1.0, cash_rate=0.0, risk_free_rate=0.0)
        free, paying = (fx.backtest(STRATEGY, market, costs=each, risk=risk) for each in (FREE, costs))
        entry, qty = paying.fills.iloc[0], float(paying.fills["qty"][0])
        assert qty == free.fills["qty"][0]
        open_price = market["open"].values[0, 1]
        assert entry["price"] == pytest.approx(open_price * 1.0005, **CLOSE_TO)
        slippage = qty * open_price * 0.0005
        commission = 1.0 + qty * 0.005 + qty * open_price * 1.0005 * 0.0002
        assert entry["commission"] == pytest.approx(commission, **CLOSE_TO)
        assert float(paying.metrics["costs_paid"][0]) == pytest.approx(commission + slippage, **CLOSE_TO)
        lower = free.equity.values[0] - paying.equity.values[0]
        np.testing.assert_allclose(lower[1:], commission + slippage, rtol=1e-9)


@pytest.mark.parametrize(("symbol", "start", "stop"), PERIODS)
def test_adjusted_closes_equal_those_of_the_factor_file(real_data, bars, adjusted, symbol, start, stop):
    """LEAN's own factors times the raw close; they carry the rounding of a third to six digits."""
    with factor_file(real_data, symbol).open() as file:
        lines = [(int(day), float(price) * float(split)) for day, price, split, *_ in csv.reader(file)]
    market = adjusted(symbol, start, stop)
    days = np.array([int(str(day)[:10].replace("-", "")) for day in market["session"].values])
    factor = np.array([value for _, value in lines])[np.searchsorted([day for day, _ in lines], days)]
    raw = select(bars(symbol), start=start, stop=stop)["close"].values[0]
    np.testing.assert_allclose(market["close"].values[0], raw * factor / factor[-1], rtol=4e-6)


def test_the_total_return_of_2008_is_the_known_one(adjusted):
    """The S&P 500 returned -37.0 % in 2008, dividends included, and -38.5 % without."""
    market = adjusted("SPY", "2007-12-31", "2009-01-01")
    close = market["close"].values[0]
    assert close[-1] / close[0] - 1.0 == pytest.approx(-0.370, abs=0.003)


def test_several_symbols_are_adjusted_side_by_side(real_data, bars, adjusted):
    symbols = ("SPY", "IBM", "IWM", "EEM")
    period = {"start": "2008-01-01", "stop": "2009-01-01"}
    raw = select(xr.concat([bars(name) for name in symbols], "symbol", join="inner"), **period)
    tables = [fx.read_lean_factors(factor_file(real_data, name)) for name in symbols]
    together = fx.adjust(raw, pd.concat(tables), outside="drop")
    for row, name in enumerate(symbols):
        alone = adjusted(name, period["start"], period["stop"])
        for field in ("open", "high", "low", "close", "volume"):
            np.testing.assert_array_equal(together[field].values[row], alone[field].values[0])


def test_hours_are_adjusted_like_their_days(real_data, adjusted):
    """The first hour of an ex-date is after the dividend, the last hour of the day before is not."""
    path = real_data / "us_hourly" / "lean_SPY_hour_raw.parquet"
    hours = select(
        fx.import_bars(path, adjustment="raw", stamp="start").market, start="2008-01-01", stop="2009-01-01"
    )
    table = fx.read_lean_factors(factor_file(real_data, "SPY"))
    by_hour = fx.adjust(hours, table, outside="drop")["close"] / hours["close"]
    days = adjusted("SPY", "2008-01-01", "2009-01-01")
    factors = dict(zip(days["session"].values, days["close"].values[0], strict=True))
    last = np.append(hours["session"].values[1:] != hours["session"].values[:-1], True)
    with_close = [factors[day] for day in hours["session"].values[last]]
    found = by_hour.values[0, last] * hours["close"].values[0, last]
    is_same_close = np.isclose(found, with_close, rtol=1e-3)  # half days differ: the source's days trade on
    assert is_same_close.sum() >= 250
    for day in np.unique(hours["session"].values):
        of_day = by_hour.values[0, hours["session"].values == day]
        np.testing.assert_allclose(of_day, of_day[0], rtol=1e-15)
