"""The replay feed sends every row of a market, as a live feed would."""

import numpy as np
import pytest
import xarray as xr

from fluxhero.adapters.replay_feed import ReplayFeed
from fluxhero.engine.errors import ParameterError
from fluxhero.engine.records import Bar, RowClosed
from fluxhero.engine.series import with_series
from fluxhero.tests.oracles.markets import Weather, market_of, random_grid, random_rows


@pytest.fixture(scope="module")
def market() -> xr.Dataset:
    weather = Weather(missing_chance=0.5)
    grid = random_grid(3, weather, timeframe="1m", n_sessions=4)
    return market_of([random_rows(i, weather, grid) for i in range(2)], timeframe="1m", calendar="XNYS")


def test_every_row_is_sent_also_those_without_a_bar(market: xr.Dataset) -> None:
    rows = list(ReplayFeed(market).rows())
    assert [row.ts_ns for row in rows] == market["time"].values.astype(np.int64).tolist()
    assert [row.session_close_ns for row in rows] == market["session_close"].values.astype(np.int64).tolist()
    assert any(not row.bars for row in rows)


def test_bars_are_those_of_the_market(market: xr.Dataset) -> None:
    rows = list(ReplayFeed(market).rows())
    sent = {(bar.symbol, bar.ts_ns): bar for row in rows for bar in row.bars}
    assert len(sent) == int(market["close"].notnull().sum())
    for i, symbol in enumerate(market["symbol"].values):
        for t in range(0, market.sizes["time"], 97):
            bar = sent.get((symbol, int(market["time"].values[t].astype(np.int64))))
            close = market["close"].values[i, t]
            assert (bar is None and np.isnan(close)) or (bar is not None and bar.close == close)


def test_numbers_are_plain(market: xr.Dataset) -> None:
    row = next(row for row in ReplayFeed(market).rows() if row.bars)
    assert type(row) is RowClosed
    assert type(row.ts_ns) is int
    assert {type(value) for value in (row.bars[0].open, row.bars[0].volume)} == {float}
    assert type(row.bars[0]) is Bar


def test_rows_go_on_after_a_given_time(market: xr.Dataset) -> None:
    feed = ReplayFeed(market)
    rows = list(feed.rows())
    assert list(feed.rows(after_ns=rows[1100].ts_ns)) == rows[1101:]
    assert list(feed.rows(after_ns=rows[1100].ts_ns - 1)) == rows[1100:]
    assert list(feed.rows(after_ns=rows[-1].ts_ns)) == []
    assert (feed.n_until(rows[1100].ts_ns), len(feed)) == (1101, len(rows))


def test_series_are_sent_where_they_are_known(market: xr.Dataset) -> None:
    rng = np.random.default_rng(1)
    shape = (2, market.sizes["time"])
    mood = np.where(rng.random(shape) < 0.5, np.nan, rng.normal(size=shape))
    wide = with_series(market, mood=mood, other=1.0)
    rows = list(ReplayFeed(wide, series=("mood",)).rows())
    sent = {(one.symbol, t, one.name): one.value for t, row in enumerate(rows) for one in row.series}
    known = {(i, t) for i, t in zip(*np.nonzero(~np.isnan(mood)), strict=True)}
    symbols = market["symbol"].values
    assert sent == {(symbols[i], t, "mood"): mood[i, t] for i, t in known}
    assert not any(row.series for row in ReplayFeed(wide).rows())


def test_speed_waits_between_rows_but_not_for_the_night(market: xr.Dataset) -> None:
    slept: list[float] = []
    n = len(list(ReplayFeed(market, speed=30.0, sleep=slept.append).rows()))
    assert len(slept) == n - 1
    assert set(slept) == {2.0}


def test_wrong_speeds_are_refused(market: xr.Dataset) -> None:
    with pytest.raises(ParameterError, match=r"`speed` was 0\.0, must be above 0"):
        ReplayFeed(market, speed=0.0, sleep=print)
    with pytest.raises(ParameterError, match="needs `sleep`"):
        ReplayFeed(market, speed=2.0)
