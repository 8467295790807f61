"""Real files with real defects: what the import says about each. Needs FLUXHERO_DATA."""

import os
from pathlib import Path

import numpy as np
import pytest

from fluxhero.adapters.bar_files import import_bars, validate_bars
from fluxhero.adapters.bar_tables import NotBarsError
from fluxhero.adapters.import_report import ImportRefusedError
from fluxhero.engine.errors import DataError
from fluxhero.engine.market import check_market

DATA = Path(os.environ.get("FLUXHERO_DATA", "/nonexistent"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="FLUXHERO_DATA is not set to a folder of real bars")


def _bar_files() -> list[str]:
    folders = ("us_minute", "us_minute/eqker_2019-02", "us_hourly", "us_daily", "crypto", "odd_series")
    return sorted(
        str(path.relative_to(DATA))
        for folder in folders
        for path in (DATA / folder).glob("*.*")
        if "quote" not in path.name
    )


def _arguments(name: str) -> dict[str, str]:
    """What a user who has read the files' description would say."""
    said = {"stamp": "end" if "ninjatrader" in name or "eqker" in name else "start"}
    if name.startswith("crypto"):
        said["asset_class"] = "crypto"
    if "freqtrade" in name:
        said["symbol"] = Path(name).stem.split("_")[1] + "/BTC"
    if "penny" in name:
        said["symbol"] = "PENNY"
    return said


def _import(name: str, **changes):
    return import_bars(DATA / name, **{**_arguments(name), **changes})


@pytest.mark.parametrize("name", _bar_files())
def test_every_real_file_becomes_a_market(name):
    market, report = _import(name, drop_invalid=True)
    check_market(market)
    series = report.series[0]
    assert series.n_kept + series.n_impossible + series.n_outside == series.n_rows
    assert series.n_kept == int((~np.isnan(market["close"].values)).sum())
    assert not any("look like" in note for note in report.notes)


def test_quotes_are_no_bars():
    with pytest.raises(NotBarsError, match="no column for open, high, low, close"):
        _import("us_minute/lean_AIG_minute_quote_raw.csv")


@pytest.mark.parametrize("pair", ["BTCUSDT", "ETHUSDT"])
def test_absurd_first_bar_at_a_listing_is_refused_and_can_be_dropped(pair):
    name = f"crypto/binance_{pair}_1h_2017_2019.csv"
    with pytest.raises(ImportRefusedError, match=r"line 2 .*: the first open was"):
        _import(name)
    report = _import(name, drop_invalid=True).report
    assert report.series[0].n_kept == 20_799
    assert report.series[0].n_missing == 4
    assert report.counts["zero_volume"] > 100


def test_minutes_after_the_close_and_on_half_days_are_dropped():
    market, report = _import("us_minute/SPY_1min_2024-03-26_2025-04-02.parquet")
    assert report.series[0].n_kept == 99_300 - 36  # the last day ends 36 minutes early
    assert report.counts == {"outside_session": 2_972}
    assert report.series[0].coverage == 1.0
    assert (market["time"].values <= market["session_close"].values).all()


def test_end_stamped_minutes_fill_their_sessions_exactly():
    assert _import("us_minute/SPY_1min_ext_2011-01_ninjatrader.csv").report.series[0].n_kept == 7_800
    assert _import("us_minute/SPY_1min_ext_2011-03_ninjatrader.csv").report.series[0].n_kept == 8_970


def test_wrong_stamp_is_suspected():
    name = "us_minute/SPY_1min_ext_2011-01_ninjatrader.csv"
    assert "look like the end of its bars" in validate_bars(DATA / name, stamp="start").text()


def test_hours_add_up_to_the_days_of_the_same_source():
    hours = _import("us_hourly/lean_SPY_hour_raw.parquet").market
    days = _import("us_daily/lean_SPY_daily_raw.csv").market
    starts = np.flatnonzero(np.diff(hours["session"].values, prepend=np.datetime64(0, "ns")))
    np.testing.assert_array_equal(hours["session"].values[starts], days["session"].values)
    np.testing.assert_array_equal(hours["session_close"].values[starts], days["time"].values)
    high = np.fmax.reduceat(hours["high"].values[0], starts)
    low = np.fmin.reduceat(hours["low"].values[0], starts)
    # The source adds what traded after an early close to the day; on whole days the sums are exact.
    n_hours = np.diff(np.append(starts, hours.sizes["time"]))
    whole = n_hours == 7
    assert whole.sum() > 5_400
    np.testing.assert_array_equal(high[whole], days["high"].values[0, whole])
    np.testing.assert_array_equal(low[whole], days["low"].values[0, whole])


def test_quarter_hours_equal_the_minutes_that_they_were_made_of():
    minutes = _import("us_minute/SPY_1min_2024-03-26_2025-04-02.parquet").market
    quarters = _import("us_minute/SPY_15min_2024-03-26_2025-04-02.csv").market
    idx = np.searchsorted(quarters["time"].values, minutes["time"].values)
    starts = np.flatnonzero(np.diff(idx, prepend=-1))
    volume = np.add.reduceat(np.nan_to_num(minutes["volume"].values[0]), starts)
    known = ~np.isnan(quarters["volume"].values[0])
    assert (volume[known][:-1] == quarters["volume"].values[0, known][:-1]).mean() > 0.999


@pytest.mark.parametrize(
    ("symbol", "day"),
    [
        ("IBM", "1999-05-27"),
        ("IWM", "2005-06-09"),
        ("QQQ", "2000-03-20"),
        ("EEM", "2005-06-09"),
        ("EEM", "2008-07-24"),
        ("GOOG", "2014-04-03"),
    ],
)
def test_unadjusted_splits_are_suspected(symbol, day):
    report = _import(f"us_daily/lean_{symbol}_daily_raw.csv").report
    assert day in {finding.time for finding in report.findings("split_like")}


@pytest.mark.parametrize(
    ("symbol", "day"),
    [
        ("QQQ", "2011-03-23"),
        ("EEM", "2003-04-11"),
        ("WM", "2009-08-05"),
        ("BNO", "2010-06-02"),
        ("FB", "2012-05-18"),
    ],
)
def test_symbols_that_changed_hands_show_a_break(symbol, day):
    report = _import(f"us_daily/lean_{symbol}_daily_raw.csv").report
    assert day in {finding.time for finding in report.findings("listing_break")}


@pytest.mark.parametrize("day", ["2007-12-18", "2008-09-30"])
def test_impossible_wicks_are_noted(day):
    report = _import("us_daily/lean_GOOG_daily_raw.csv").report
    assert day in {finding.time for finding in report.findings("wick")}


def test_index_without_volume_and_with_broken_bars_is_refused_in_full():
    path = DATA / "macro" / "VIX_daily_1990_2019.csv"
    with pytest.raises(ImportRefusedError, match="VIX: 47 rows are impossible") as caught:
        import_bars(path)
    assert caught.value.report.counts["high_below_body"] == 20
    assert caught.value.report.counts["low_above_body"] == 27
    report = import_bars(path, drop_invalid=True).report
    assert [finding.time for finding in report.findings("outside_calendar")] == ["2004-06-11"]
    assert any("no volume column" in note for note in report.notes)


def test_zero_volume_of_an_index_is_a_warning():
    report = _import("us_daily/eqker_VIX_daily_2018-09_2019-02.csv").report
    assert report.counts["zero_volume"] == 283


def test_missing_minutes_of_a_coin_are_missing():
    market, report = _import("crypto/bitfinex_BTCUSD_1min_2018.parquet")
    assert report.series[0].n_missing == 5_101
    assert int(np.isnan(market["close"].values).sum()) == 5_101
    assert max(group.values.max() for group in report.groups if group.kind == "gap") == 67


def test_split_between_two_days_of_minutes_is_suspected():
    report = _import("us_minute/lean_AAPL_minute_trade_raw.csv").report
    assert [finding.time for finding in report.findings("split_like")] == ["2014-06-09 13:30 UTC"]


def test_pair_in_the_name_is_asked_for():
    with pytest.raises(DataError, match="candidates are ETH, BTC, ETH/BTC"):
        _import("crypto/freqtrade_ETH_BTC_5m_2018-01.parquet", symbol=None)


def test_coins_need_their_class():
    with pytest.raises(DataError, match="--asset-class crypto"):
        _import("crypto/bitfinex_BTCUSD_daily_2014_2020.csv", asset_class=None)


def test_folder_of_two_timeframes_lists_its_groups():
    with pytest.raises(DataError, match="14 symbols and 2 timeframes") as caught:
        import_bars(DATA / "us_minute" / "eqker_2019-02", stamp="end")
    assert "--symbol SPY --timeframe 15m" in str(caught.value)
    market = import_bars(
        DATA / "us_minute" / "eqker_2019-02", stamp="end", symbol="*", timeframe="15m"
    ).market
    assert market.sizes["symbol"] == 14


def test_two_sources_of_one_symbol_are_not_mixed():
    with pytest.raises(DataError, match=r"hold the same 1d bars of SPY .5,074 common times"):
        import_bars(DATA / "us_daily", symbol="SPY")
