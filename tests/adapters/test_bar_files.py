"""Import of bars: what is accepted, what is refused by line and value, what is dropped and said."""

import datetime as dt
import doctest
import json
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fluxhero.adapters.file_names as file_names
from fluxhero.adapters.bar_files import import_bars, validate_bars
from fluxhero.adapters.calendars import bar_grid, session_grid
from fluxhero.adapters.file_names import name_hints
from fluxhero.adapters.import_report import ImportRefusedError
from fluxhero.engine.errors import ConfigError, DataError, FluxHeroError
from fluxhero.engine.market import check_market
from fluxhero.engine.timeframe import TIMEFRAMES_NS

HEADER = "timestamp_utc,open,high,low,close,volume"


def _times(first: str, n_bars: int, step: str = "1m") -> list[str]:
    start = np.datetime64(first, "ns")
    return [f"{str(start + i * np.timedelta64(TIMEFRAMES_NS[step], 'ns'))[:19]}Z" for i in range(n_bars)]


def _rows(times: list[str]) -> list[str]:
    """Possible bars that wander up and down by a few cents."""
    rows = []
    for i, stamp in enumerate(times):
        open_, close = 100.0 + 0.01 * (i % 7), 100.0 + 0.01 * ((i + 1) % 7)
        high, low = max(open_, close) + 0.02, min(open_, close) - 0.02
        rows.append(f"{stamp},{open_:.2f},{high:.2f},{low:.2f},{close:.2f},{100 + i}")
    return rows


def _csv(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def minutes(tmp_path) -> Path:
    """Forty minutes from the open of 2024-07-03, stamped at the start."""
    return _csv(tmp_path / "SPY_1m.csv", _rows(_times("2024-07-03T13:30", 40)))


def _changed(path: Path, line: int, column: int, value: str) -> Path:
    lines = path.read_text().splitlines()
    fields = lines[line - 1].split(",")
    fields[column] = value
    lines[line - 1] = ",".join(fields)
    path.write_text("\n".join(lines) + "\n")
    return path


def _refused(path: Path, **arguments) -> ImportRefusedError:
    with pytest.raises(ImportRefusedError) as caught:
        import_bars(path, **{"stamp": "start", **arguments})
    return caught.value


def test_minutes_become_a_checked_market(minutes):
    market, report = import_bars(minutes, stamp="start")
    check_market(market)
    assert market["symbol"].values.tolist() == ["SPY"]
    assert market["time"].values[0] == np.datetime64("2024-07-03T13:31")
    assert market["session_close"].values[0] == np.datetime64("2024-07-03T17:00")
    assert market.attrs["timeframe"] == "1m"
    assert market.attrs["calendar"] == "XNYS"
    assert report.is_clean
    assert report.is_imported


def test_grid_holds_the_whole_session_and_nan_where_nothing_traded(minutes):
    close = import_bars(minutes, stamp="start").market["close"].values[0]
    assert close.size == 210
    assert np.isnan(close).tolist() == [False] * 40 + [True] * 170


def test_stamp_says_which_end_a_time_marks(minutes):
    at_end = import_bars(minutes, stamp="end").market
    assert at_end["time"].values[~np.isnan(at_end["close"].values[0])][0] == np.datetime64("2024-07-03T13:31")
    assert (
        at_end["close"].values[0, 0] == 100.02
    )  # the second row; the first closes at the open and is outside


def test_stamp_is_required_and_suggested(tmp_path):
    path = _csv(tmp_path / "SPY_1m.csv", _rows(_times("2024-07-03T13:30", 210)))
    with pytest.raises(
        DataError, match=r"pass stamp='start' or stamp='end' \(--stamp start\|end\); they look like the start"
    ):
        import_bars(path)


def test_wrong_looking_stamp_is_noted(tmp_path):
    path = _csv(tmp_path / "SPY_1m.csv", _rows(_times("2024-07-03T13:30", 210)))
    assert "look like the start of its bars: check --stamp" in validate_bars(path, stamp="end").text()
    assert validate_bars(path, stamp="start").notes == ()


@pytest.mark.parametrize(
    ("line", "column", "value", "message"),
    [
        (5, 2, "99.00", "high was 99, must be at least max(open, close) = 100.04"),
        (9, 3, "101", "low was 101, must be at most min(open, close) = 100"),
        (2, 1, "0", "open was 0, must be above 0"),
        (2, 4, "-3.5", "close was -3.5, must be above 0"),
        (41, 5, "-1", "volume was -1, must be 0 or more"),
        (7, 4, "", "close was '', must be a finite number"),
        (7, 4, "NaN", "close was 'NaN', must be a finite number"),
        (7, 5, "inf", "volume was 'inf', must be a finite number"),
        (7, 4, "1_000", "close was '1_000', must be a plain number"),
        (7, 1, "12,5", "has 7 fields, must have 6"),
        (7, 1, "abc", "open was 'abc', must be a plain number"),
        (7, 0, "yesterday", "time was 'yesterday', must be ISO 8601"),
        (7, 0, "2024-02-30T10:00:00Z", "time was '2024-02-30T10:00:00Z', must be ISO 8601"),
        (7, 0, "", "time was '', must be ISO 8601"),
        (7, 0, "2024-07-03T13:35:00", "time was '2024-07-03T13:35:00', must be ISO 8601"),
        (7, 0, "2024-07-03T13:34:00Z", "2024-07-03 13:34 UTC occurs twice"),
        (7, 0, "2031-07-03T13:35:00Z", "2031-07-03 13:35 UTC is out of order"),
        (
            7,
            0,
            "2024-07-03T13:35:30Z",
            "time was 2024-07-03 13:35:30 UTC, must be a multiple of the timeframe",
        ),
    ],
)
def test_impossible_row_is_refused_with_file_line_value_and_rule(minutes, line, column, value, message):
    error = _refused(_changed(minutes, line, column, value))
    assert f"SPY_1m.csv line {line}" in str(error)
    assert message in str(error)
    assert "drop_invalid=True (--drop-invalid)" in str(error)
    assert [finding.line for finding in error.report.findings() if finding.is_impossible] == [line]
    assert error.report.n_impossible == 1


def test_dropped_rows_are_named_in_the_report_and_the_rest_is_kept(minutes):
    clean = import_bars(minutes, stamp="start").market
    market, report = import_bars(_changed(minutes, 5, 2, "99.00"), stamp="start", drop_invalid=True)
    assert np.isnan(market["close"].values[0, 3])
    kept = ~np.isnan(market["close"].values[0])
    np.testing.assert_array_equal(market["close"].values[0, kept], clean["close"].values[0, kept])
    assert "1 impossible row excluded" in report.text()
    assert "SPY_1m.csv line 5" in report.text()


def test_error_prints_twenty_rows_and_the_report_has_all(minutes):
    lines = minutes.read_text().splitlines()
    minutes.write_text("\n".join([lines[0], *(line.rsplit(",", 1)[0] + ",-1" for line in lines[1:])]) + "\n")
    error = _refused(minutes)
    assert str(error).count("volume was -1") == 20
    assert "... and 20 more, in the report" in str(error)
    assert len(list(error.report.findings("negative_volume"))) == 40


def test_newest_first_is_refused_with_the_remedy(minutes):
    lines = minutes.read_text().splitlines()
    minutes.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    assert "the rows of SPY run from new to old: sort the file oldest first" in str(_refused(minutes))


def test_too_many_impossible_rows_are_not_left_out(minutes):
    lines = minutes.read_text().splitlines()
    bad = [line.rsplit(",", 1)[0] + ",-1" for line in lines[1:10]]
    minutes.write_text("\n".join([lines[0], *bad[:8], *lines[9:]]) + "\n")  # a fifth
    assert import_bars(minutes, stamp="start", drop_invalid=True).report.n_impossible == 8
    minutes.write_text("\n".join([lines[0], *bad, *lines[10:]]) + "\n")
    error = _refused(minutes, drop_invalid=True)
    assert "SPY_1m.csv: 9 of 40 rows are impossible (" in str(error)
    assert "more than 20% of a file" in str(error)
    assert "drop_invalid=True" not in str(error)


def test_a_file_of_newest_first_is_not_reduced_to_a_row(minutes):
    lines = minutes.read_text().splitlines()
    minutes.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    assert "sort the file oldest first" in str(_refused(minutes, drop_invalid=True))


def test_line_numbers_survive_blank_lines_and_bad_lines(minutes):
    lines = minutes.read_text().splitlines()
    lines[3:3] = ["", "", "2024-07-03T13:31:00Z,1,2"]
    minutes.write_text("\n".join(lines) + "\n")
    error = _refused(_changed(minutes, 20, 5, "-1"))
    found = [(finding.kind, finding.line) for finding in error.report.findings() if finding.is_impossible]
    assert found == [("wrong_field_count", 6), ("negative_volume", 20)]
    assert error.report.files[0].n_blank == 2


def test_line_numbers_survive_quotes_with_line_ends(minutes):
    lines = minutes.read_text().splitlines()
    lines = [f'{line},"a note"' for line in lines]
    lines[0] = f"{HEADER},note"
    lines[2] = lines[2].replace('"a note"', '"two\nlines, and a ""quote"""')
    lines[10] = lines[10].replace(',"a note"', "").rsplit(",", 1)[0] + ',-7,"x"'
    minutes.write_text("\n".join(lines) + "\n")
    error = _refused(minutes)
    assert [finding.line for finding in error.report.findings() if finding.is_impossible] == [12]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_any_line_end_will_do(minutes, line_end, last):
    lines = minutes.read_text().splitlines()
    minutes.write_bytes((line_end.join(lines) + line_end * last).encode())
    assert import_bars(minutes, stamp="start").report.series[0].n_kept == 40
    lines[40] = lines[40].replace(",139", ",-9")
    minutes.write_bytes((line_end.join(lines) + line_end * last).encode())
    assert [finding.line for finding in _refused(minutes).report.findings() if finding.is_impossible] == [41]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_read(minutes, delimiter):
    minutes.write_text(minutes.read_text().replace(",", delimiter))
    assert import_bars(minutes, stamp="start").report.series[0].n_kept == 40


def test_columns_are_found_by_name_in_any_case_and_order(tmp_path):
    header = " Volume ,Adj Close,Close,LOW,High,Open,Timestamp_UTC"
    rows = ["5,9.9,10.5,9,11,10,2024-07-03T13:30:00Z", "6,9.9,10.4,9,11,10,2024-07-03T13:31:00Z"]
    market, report = import_bars(_csv(tmp_path / "SPY_1m.csv", rows, header), stamp="start")
    assert [market[name].values[0, 0] for name in ("open", "high", "low", "close", "volume")] == [
        10,
        11,
        9,
        10.5,
        5,
    ]
    assert report.files[0].ignored == ("Adj Close",)
    assert "Columns not used: Adj Close" in report.text()


def test_byte_order_mark_is_skipped(minutes):
    minutes.write_bytes(b"\xef\xbb\xbf" + minutes.read_bytes())
    assert import_bars(minutes, stamp="start").report.is_clean


def test_missing_volume_is_zero_and_said(tmp_path):
    rows = [row.rsplit(",", 1)[0] for row in _rows(["2024-07-03", "2024-07-05"])]
    market, report = import_bars(_csv(tmp_path / "INDEX_1d.csv", rows, "date,open,high,low,close"))
    assert market["volume"].values.tolist() == [[0.0, 0.0]]
    assert "INDEX has no volume column" in report.text()
    assert report.counts == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "nothing but empty lines"),
        (HEADER.encode(), "has a header but no rows"),
        (HEADER.encode() + b"\n\n\n", "has a header but no rows"),
        (b"2024-07-03T13:30:00Z,1,1,1,1,1\n", "no column for time, open, high, low, close"),
        (b"1720013400,1,1,1,1,1\n1720013460,1,1,1,1,1\n", "line 1 holds numbers .*must name the columns"),
        (b"time,open,high,low\n2024-07-03,1,1,1\n", "no column for close among 'time,open,high,low'"),
        (
            b"when,open,high,low,close\n1,1,1,1,1\n",
            "no column for time among .*a time column is called timestamp_utc",
        ),
        (b"time,open,high,low,close,Close\n2024-07-03,1,1,1,1,1\n", "2 columns are called 'close'"),
        ("time,open,high,low,close\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (HEADER.encode() + b"\n2024\x00\n", "zero bytes"),
        (HEADER.encode() + b"\n2024-07-03T13:30:00Z,1,1,1,1,1\xe9\n", "line 2 holds byte 0xe9, not UTF-8"),
        (HEADER.encode() + b'\n"2024-07-03T13:30:00Z,1,1,1,1,1\n', "line 2 cannot be split into fields"),
        (HEADER.encode() + b"\nx,1,1,1,1,1\ny,1,1,1,1,1\n", "holds 'x', which is no time that can be read"),
        (
            HEADER.encode() + b"\n5,1,1,1,1,1\n6,1,1,1,1,1\n",
            r"numbers in 'timestamp_utc' \(5 to 6\) are no times",
        ),
        (b"PAR1 and then nothing", "the Parquet file is cut off"),
        (b"PAR1" + b"\x00" * 60 + b"PAR1", "the Parquet file cannot be read"),
    ],
)
def test_files_that_cannot_be_read_are_refused_in_words(tmp_path, content, message):
    path = tmp_path / "SPY_1m.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        import_bars(path, stamp="start")
    assert "SPY_1m.csv" in str(caught.value)


def test_missing_and_unreadable_paths_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"none.csv: no such file"):
        import_bars(tmp_path / "none.csv")
    (tmp_path / "sub").mkdir()
    with pytest.raises(DataError, match=r"no file in this folder ends in .csv.*it has the folders sub"):
        import_bars(tmp_path)
    with pytest.raises(DataError, match="no file was given"):
        import_bars([])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stamp": "begin"}, "`stamp` must be one of start, end, was 'begin'"),
        ({"timeframe": "2m"}, "timeframe '2m' is unknown; known are 1m"),
        ({"asset_class": "bond"}, "`asset_class` must be one of equity, crypto"),
        ({"session": "night"}, "`session` must be one of regular, extended"),
        ({"calendar": "LSE"}, "`calendar` must be one of XNYS, 24/7"),
        ({"adjustment": "both"}, "`adjustment` must be one of raw, adjusted, splits and dividends, unknown"),
        ({"symbol": " "}, "`symbol` must be a name"),
        ({"symbol": []}, "`symbol` must be a name"),
        ({"tick_size": 0.0}, "`tick_size` must be above 0, was 0.0"),
    ],
)
def test_unknown_arguments_are_refused(minutes, arguments, message):
    with pytest.raises(ConfigError, match=message):
        import_bars(minutes, **{"stamp": "start", **arguments})


# Times


def test_local_times_are_refused_without_a_zone(minutes):
    minutes.write_text(minutes.read_text().replace("Z,", ",").replace("timestamp_utc", "time"))
    with pytest.raises(DataError, match=r"times in 'time' have no zone.*--timezone"):
        import_bars(minutes, stamp="start")


def test_local_times_are_utc_in_a_column_that_says_so(minutes):
    minutes.write_text(minutes.read_text().replace("Z,", ","))
    assert import_bars(minutes, stamp="start").report.series[0].first == "2024-07-03 13:31 UTC"


def test_named_zone_places_local_times(minutes):
    text = minutes.read_text().replace("Z,", ",").replace("timestamp_utc", "time").replace("T13:", " 09:")
    minutes.write_text(text.replace("T14:", " 10:"))
    report = import_bars(minutes, stamp="start", timezone="America/New_York").report
    assert report.series[0].first == "2024-07-03 13:31 UTC"


def test_unknown_zone_is_refused(minutes):
    with pytest.raises(DataError, match="`timezone` 'Mars/Olympus' is unknown"):
        import_bars(minutes, stamp="start", timezone="Mars/Olympus")


def test_offsets_are_understood(minutes):
    minutes.write_text(
        minutes.read_text().replace("T13:", " 09:").replace("T14:", " 10:").replace("Z,", "-04:00,")
    )
    assert import_bars(minutes, stamp="start").report.series[0].first == "2024-07-03 13:31 UTC"


@pytest.mark.parametrize("digits", [10, 13, 16, 19])
def test_epoch_numbers_are_told_apart_by_size(tmp_path, digits):
    first = np.datetime64("2024-07-03T13:30", "s").astype(np.int64)
    stamps = [f"{first + 60 * i}{'0' * (digits - 10)}" for i in range(5)]
    path = _csv(tmp_path / "SPY_1m.csv", _rows(stamps), "timestamp,open,high,low,close,volume")
    assert import_bars(path, stamp="start").report.series[0].first == "2024-07-03 13:31 UTC"


def test_mixed_epoch_units_are_refused(tmp_path):
    stamps = ["1720013400", "1720013460000", "1720013520000"]
    path = _csv(tmp_path / "SPY_1m.csv", _rows(stamps), "timestamp,open,high,low,close,volume")
    with pytest.raises(DataError, match="are no times of one unit"):
        import_bars(path, stamp="start")


def test_session_open_moves_with_the_clocks(tmp_path):
    rows = _rows(_times("2024-03-08T14:30", 3) + _times("2024-03-11T13:30", 3))
    report = import_bars(_csv(tmp_path / "SPY_1m.csv", rows), stamp="start").report
    assert set(report.counts) == {"gap"}
    assert report.series[0].n_kept == 6
    assert report.series[0].n_sessions == 2


def test_times_that_the_clocks_skip_or_repeat_are_named(tmp_path):
    stamps = [f"2024-03-10 0{hour}:30:00" for hour in (0, 1, 2, 3)]
    path = _csv(tmp_path / "COIN_1h.csv", _rows(stamps), "time,open,high,low,close,volume")
    error = _refused(path, timezone="America/New_York", asset_class="crypto")
    assert "line 4: time was '2024-03-10 02:30:00', which the zone's clocks skip or repeat" in str(error)
    stamps = [f"2024-11-03 0{hour}:00:00" for hour in (0, 1, 2, 3)]
    error = _refused(
        _csv(path, _rows(stamps), "time,open,high,low,close,volume"),
        timezone="America/New_York",
        asset_class="crypto",
    )
    assert [finding.line for finding in error.report.findings("ambiguous_time")] == [3]


def test_half_day_ends_at_one_and_the_rest_is_outside(tmp_path):
    path = _csv(tmp_path / "SPY_1m.csv", _rows(_times("2024-07-03T13:30", 391)))
    report = import_bars(path, stamp="start").report
    assert report.series[0].n_kept == 210
    assert report.series[0].last == "2024-07-03 17:00 UTC"
    assert report.counts == {"outside_session": 181}
    assert next(report.findings("outside_session")).line == 212


def test_extended_hours_are_kept_on_request(tmp_path):
    path = _csv(tmp_path / "SPY_1m.csv", _rows(_times("2024-07-05T07:58", 965)))
    market, report = import_bars(path, stamp="start", session="extended")
    assert report.series[0].n_kept == 960
    assert report.counts == {"outside_session": 5}
    assert np.unique(market["session"].values).size == 1
    check_market(market)


def test_leap_day_is_a_day(tmp_path):
    crypto = _csv(tmp_path / "COIN_1h.csv", _rows(_times("2024-02-28T22:00", 30, "1h")))
    market, report = import_bars(crypto, stamp="start", asset_class="crypto")
    assert report.is_clean
    assert [str(day)[:10] for day in np.unique(market["session"].values)] == [
        "2024-02-28",
        "2024-02-29",
        "2024-03-01",
    ]
    equity = _csv(
        tmp_path / "SPY_1d.csv", _rows(["2024-02-28", "2024-02-29", "2024-03-01"]), "date" + HEADER[13:]
    )
    assert import_bars(equity).report.series[0].n_kept == 3


def test_midnight_belongs_to_the_day_that_ends(tmp_path):
    path = _csv(tmp_path / "COIN_1h.csv", _rows(_times("2024-02-28T23:00", 2, "1h")))
    market = import_bars(path, stamp="start", asset_class="crypto").market
    known = market.isel(time=~np.isnan(market["close"].values[0]))
    assert known["time"].values[0] == np.datetime64("2024-02-29T00:00")
    assert known["session"].values[0] == np.datetime64("2024-02-28")


# Daily bars


@pytest.mark.parametrize(
    ("header", "stamps"),
    [
        ("date", ["2024-07-02", "2024-07-03", "2024-07-05"]),
        ("Date", ["20240702", "20240703", "20240705"]),
        ("date", ["2024-07-02 00:00:00", "2024-07-03 00:00:00", "2024-07-05 00:00:00"]),
        ("timestamp", ["2024-07-02T04:00:00Z", "2024-07-03T04:00:00Z", "2024-07-05T04:00:00Z"]),
        ("timestamp", ["2024-07-02T00:00:00Z", "2024-07-03T00:00:00Z", "2024-07-05T00:00:00Z"]),
        ("time", ["2024-07-02 16:00:00-04:00", "2024-07-03 13:00:00-04:00", "2024-07-05 16:00:00-04:00"]),
    ],
)
def test_daily_bars_close_with_their_session_however_they_are_dated(tmp_path, header, stamps):
    path = _csv(tmp_path / "SPY_1d.csv", _rows(stamps), header + HEADER[13:])
    market = import_bars(path).market
    expected = ["2024-07-02T20:00", "2024-07-03T17:00", "2024-07-05T20:00"]
    assert [str(value)[:16] for value in market["time"].values] == expected


def test_dates_without_a_session_are_dropped_and_named(tmp_path):
    path = _csv(
        tmp_path / "SPY_1d.csv", _rows(["2024-07-03", "2024-07-04", "2024-07-05"]), "date" + HEADER[13:]
    )
    market, report = import_bars(path, asset_class="equity")
    assert market.sizes["time"] == 2
    assert "SPY_1d.csv line 3: 2024-07-04 is no session" in report.text()
    assert "outside the calendar: 1; dropped" in report.text()


def test_crypto_days_close_at_the_next_midnight(tmp_path):
    path = _csv(tmp_path / "COIN_1d.csv", _rows(["2024-02-28", "2024-02-29"]), "date" + HEADER[13:])
    market = import_bars(path, asset_class="crypto").market
    assert [str(value)[:10] for value in market["time"].values] == ["2024-02-29", "2024-03-01"]
    assert market["lot_size"].item() == 1e-8


def test_crypto_days_with_a_time_need_a_stamp(tmp_path):
    path = _csv(tmp_path / "COIN_1d.csv", _rows(_times("2024-02-28", 3, "1d")))
    with pytest.raises(DataError, match="pass stamp="):
        import_bars(path, asset_class="crypto")
    start = import_bars(path, asset_class="crypto", stamp="start").market
    end = import_bars(path, asset_class="crypto", stamp="end").market
    assert start["time"].values[0] - end["time"].values[0] == np.timedelta64(1, "D")


def test_weekly_bars_are_refused(tmp_path):
    stamps = [str(np.datetime64("2024-01-05") + 7 * i) for i in range(10)]
    with pytest.raises(DataError, match="its bars are 7 days apart; the longest timeframe is 1d"):
        import_bars(_csv(tmp_path / "SPY.csv", _rows(stamps), "date" + HEADER[13:]))


def test_weekend_bars_ask_for_the_asset_class(tmp_path):
    path = _csv(tmp_path / "COIN_1h.csv", _rows(_times("2024-07-05T00:00", 72, "1h")))
    with pytest.raises(DataError, match=r"% of the bars of COIN lie on weekends.*--asset-class crypto"):
        import_bars(path, stamp="start")


def test_hours_from_half_to_half_are_refused_with_the_reason(tmp_path):
    stamps = [f"2024-07-{day:02d}T{hour}:30:00Z" for day in (8, 9, 10) for hour in range(13, 20)]
    path = _csv(tmp_path / "SPY_1h.csv", _rows(stamps))
    error = _refused(path)
    assert "they run from :30 to :30; 1h bars of SPY do not end at multiples of 1h in UTC" in str(error)
    assert "SPY_1h.csv: 18 of 21 rows are impossible" in str(_refused(path, drop_invalid=True))


# Symbols and timeframes


@pytest.mark.parametrize(
    ("stem", "symbols", "timeframes"),
    [
        ("SPY", ("SPY",), ()),
        ("spy_daily", ("SPY",), ("1d",)),
        ("lean_SPY_daily_raw", ("SPY",), ("1d",)),
        ("binance_perp_BTCUSDT_4h_2023_2024", ("BTCUSDT",), ("4h",)),
        ("SPY_1min_ext_2011-01_ninjatrader", ("SPY",), ("1m",)),
        ("bitfinex_ETHUSD_1min_2017_H2", ("ETHUSD",), ("1m",)),
        ("stocknet_T_daily", ("T",), ("1d",)),
        ("BRK.B_1d", ("BRK.B",), ("1d",)),
        ("BTC-USD", ("BTC-USD",), ()),
        ("SPY-1d", ("SPY",), ("1d",)),
        ("ETH_BTC_5m", ("ETH", "BTC", "ETH/BTC"), ("5m",)),
        ("skender_penny", ("SKENDER", "PENNY"), ()),
        ("2024-01", (), ()),
        ("prices", (), ()),
    ],
)
def test_names_are_read_where_they_are_plain(stem, symbols, timeframes):
    assert name_hints(stem) == (symbols, timeframes)


def test_unnamed_file_asks_for_a_symbol(minutes):
    path = minutes.rename(minutes.with_name("prices.csv"))
    with pytest.raises(
        DataError, match=r"neither the name nor the content says a symbol; pass symbol=.*--symbol"
    ):
        import_bars(path, stamp="start")
    assert import_bars(path, stamp="start", symbol="QQQ").market["symbol"].item() == "QQQ"


def test_pair_in_a_name_asks_and_lists_the_candidates(minutes):
    path = minutes.rename(minutes.with_name("ETH_BTC_1m.csv"))
    with pytest.raises(DataError, match="candidates are ETH, BTC, ETH/BTC"):
        import_bars(path, stamp="start")


def test_symbol_column_names_the_symbol(minutes):
    lines = minutes.read_text().splitlines()
    minutes.write_text("\n".join([f"{lines[0]},symbol", *(f"{line},QQQ" for line in lines[1:])]) + "\n")
    assert import_bars(minutes, stamp="start").market["symbol"].item() == "QQQ"


def test_long_file_of_several_symbols_is_split_on_request(minutes):
    lines = minutes.read_text().splitlines()
    both = [f"{line},{name}" for line in lines[1:] for name in ("QQQ", "IWM")]
    minutes.write_text("\n".join([f"{lines[0]},ticker", *both]) + "\n")
    with pytest.raises(DataError, match=r"hold 2 symbols.*symbol='\*' takes all"):
        import_bars(minutes, stamp="start")
    assert import_bars(minutes, stamp="start", symbol="IWM").market["symbol"].values.tolist() == ["IWM"]
    every = import_bars(minutes, stamp="start", symbol="*").market
    assert every["symbol"].values.tolist() == ["IWM", "QQQ"]
    assert not np.isnan(every["close"].values[:, :40]).any()


def test_bad_line_of_a_long_file_is_counted_once(minutes):
    lines = minutes.read_text().splitlines()
    both = [f"{line},{name}" for line in lines[1:] for name in ("QQQ", "IWM")]
    minutes.write_text("\n".join([f"{lines[0]},ticker", *both, "cut,off"]) + "\n")
    error = _refused(minutes, symbol="*")
    assert error.report.counts == {"wrong_field_count": 1}
    assert error.report.n_impossible == 1


@pytest.mark.parametrize("year", [1886, 1930, 2090, 2199])
def test_absurd_but_writable_years_are_survived(minutes, year):
    text = minutes.read_text().replace("2024-07-03T13:40", f"{year}-07-03T13:40")
    minutes.write_text(text)
    assert [finding.line for finding in _refused(minutes).report.findings("unordered_time")] == [12]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two symbols in minutes, one of them in hours too, and a file of quotes."""
    _csv(tmp_path / "SPY_1m.csv", _rows(_times("2024-07-05T13:30", 390)))
    _csv(tmp_path / "QQQ_1m.csv", _rows(_times("2024-07-05T13:40", 380)))
    _csv(tmp_path / "SPY_1h.csv", _rows(_times("2024-07-05T13:00", 7, "1h")))
    _csv(tmp_path / "SPY_quotes.csv", ["2024-07-05T13:30:00Z,1,2"], "timestamp_utc,bid,ask")
    return tmp_path


def test_folder_lists_what_it_holds_and_how_to_pick(folder):
    with pytest.raises(DataError) as caught:
        import_bars(folder, stamp="start")
    message = str(caught.value)
    assert "2 symbols and 2 timeframes" in message
    for line in ("--symbol QQQ --timeframe 1m", "--symbol SPY --timeframe 1m", "--symbol SPY --timeframe 1h"):
        assert line in message


def test_folder_is_picked_from_and_the_rest_reported(folder):
    market, report = import_bars(folder, stamp="start", symbol="SPY", timeframe="1m")
    assert market["symbol"].values.tolist() == ["SPY"]
    assert dict(report.skipped)["QQQ_1m.csv"] == "not of SPY"
    assert "no column for open" in dict(report.skipped)["SPY_quotes.csv"]


def test_all_symbols_of_a_folder_share_one_grid(folder):
    market, report = import_bars(folder, stamp="start", symbol="*", timeframe="1m")
    assert market["symbol"].values.tolist() == ["QQQ", "SPY"]
    assert np.isnan(market["close"].values[0, :10]).all()
    assert len(report.series) == 2


def test_named_files_of_several_symbols_need_no_flag(folder):
    market = import_bars([folder / "SPY_1m.csv", folder / "QQQ_1m.csv"], stamp="start").market
    assert market["symbol"].values.tolist() == ["QQQ", "SPY"]


def test_absent_symbol_or_timeframe_lists_what_there_is(folder):
    with pytest.raises(DataError, match=r"no file holds IWM; found are QQQ, SPY|none of 4 files holds bars"):
        import_bars(folder, stamp="start", symbol="IWM")
    with pytest.raises(DataError, match="no file has bars of timeframe 5m; found are 1h, 1m"):
        import_bars(folder, stamp="start", symbol="*", timeframe="5m")


def test_parts_of_one_symbol_are_joined_in_order_of_time(tmp_path):
    later = _csv(tmp_path / "SPY_a.csv", _rows(_times("2024-07-08T13:30", 50)))
    earlier = _csv(tmp_path / "SPY_b.csv", _rows(_times("2024-07-05T13:30", 50)))
    market, report = import_bars([later, earlier], stamp="start")
    assert report.series[0].n_kept == 100
    assert market.sizes["time"] == 780


def test_copies_of_the_same_bars_are_refused(tmp_path):
    paths = [
        _csv(tmp_path / f"{vendor}_SPY_1m.csv", _rows(_times("2024-07-05T13:30", 50)))
        for vendor in ("yahoo", "polygon")
    ]
    with pytest.raises(
        DataError, match=r"hold the same 1m bars of SPY .50 common times.; pass only one of them"
    ):
        import_bars(paths, stamp="start")


def test_common_row_at_a_seam_is_a_duplicate_of_the_later_file(tmp_path):
    first = _csv(tmp_path / "SPY_a.csv", _rows(_times("2024-07-05T13:30", 50)))
    second = _csv(tmp_path / "SPY_b.csv", _rows(_times("2024-07-05T14:19", 50)))
    error = _refused([first, second])
    assert "SPY_b.csv line 2: 2024-07-05 14:19 UTC occurs twice" in str(error)
    assert import_bars([first, second], stamp="start", drop_invalid=True).report.series[0].n_kept == 99


def test_timeframe_is_read_from_the_spacing(tmp_path):
    path = _csv(tmp_path / "SPY.csv", _rows(_times("2024-07-05T13:30", 20, "5m")))
    assert import_bars(path, stamp="start").market.attrs["timeframe"] == "5m"


def test_name_and_spacing_that_disagree_are_refused(tmp_path):
    path = _csv(tmp_path / "SPY_1h.csv", _rows(_times("2024-07-05T13:30", 20, "5m")))
    with pytest.raises(
        DataError, match=r"its bars are 5m apart but its name or metadata say 1h.*--timeframe.*5m, 1h"
    ):
        import_bars(path, stamp="start")
    assert import_bars(path, stamp="start", timeframe="5m").market.attrs["timeframe"] == "5m"


def test_timeframe_finer_than_asked_is_refused(minutes):
    with pytest.raises(DataError, match="timeframe 5m was asked for, but its bars are 1m apart"):
        import_bars(minutes, stamp="start", timeframe="5m")


def test_sparse_bars_are_named_by_the_file_or_the_caller(tmp_path):
    minutes = np.cumsum([1, 3, 2, 5, 1, 4, 7, 2, 6, 3, 8, 9])
    start = np.datetime64("2024-07-05T13:30", "s")
    rows = _rows([f"{start + int(m) * 60}Z" for m in minutes])
    assert import_bars(_csv(tmp_path / "SPY_1m.csv", rows), stamp="start").market.attrs["timeframe"] == "1m"
    with pytest.raises(
        DataError, match=r"the timeframe is not plain: its bars are .* min .* apart; pass timeframe="
    ):
        import_bars(_csv(tmp_path / "SPY.csv", rows), stamp="start")


def test_sparse_bars_may_be_finer_than_most_are_apart(tmp_path):
    minutes = [0, 5, 10, 15, 16, 21, 26, 31, 36]
    start = np.datetime64("2024-07-05T13:30", "s")
    path = _csv(tmp_path / "SPY.csv", _rows([f"{start + m * 60}Z" for m in minutes]))
    assert import_bars(path, stamp="start", timeframe="1m").report.series[0].n_kept == 9


def test_spacing_that_is_no_timeframe_is_refused(tmp_path):
    start = np.datetime64("2024-07-05T13:30", "s")
    rows = _rows([f"{start + 600 * i}Z" for i in range(20)])
    with pytest.raises(DataError, match=r"its bars are 10 min .100 %. apart"):
        import_bars(_csv(tmp_path / "SPY.csv", rows), stamp="start")


# Ticks


@pytest.mark.parametrize(
    ("asset_class", "scale", "expected"),
    [("equity", 1.0, 0.01), ("equity", 0.001, 0.0001), ("crypto", 0.001, 1e-5)],
)
def test_tick_is_a_cent_unless_prices_are_below_one(tmp_path, asset_class, scale, expected):
    rows = [
        ",".join([row.split(",")[0], *(f"{float(v) * scale:.10g}" for v in row.split(",")[1:5]), "1"])
        for row in _rows(_times("2024-07-05T13:30", 20))
    ]
    path = _csv(tmp_path / "COIN_1m.csv", rows)
    market = import_bars(path, stamp="start", asset_class=asset_class).market
    assert market["tick_size"].item() == expected
    chosen = import_bars(path, stamp="start", asset_class=asset_class, tick_size=0.5, lot_size=2.0).market
    assert (chosen["tick_size"].item(), chosen["lot_size"].item()) == (0.5, 2.0)


# Parquet


def _parquet(path: Path, n_bars: int = 40, metadata: dict[str, str] | None = None, **columns: object) -> Path:
    start = np.datetime64("2024-07-03T13:30", "ns")
    data = {
        "timestamp": pa.array(start + np.arange(n_bars) * np.timedelta64(1, "m"), pa.timestamp("us", "UTC")),
        "open": np.full(n_bars, 100.0),
        "high": np.full(n_bars, 100.5),
        "low": np.full(n_bars, 99.5),
        "close": 100.0 + 0.01 * (np.arange(n_bars) % 5),
        "volume": np.arange(1, n_bars + 1),
        **columns,
    }
    table = pa.table(data)
    if metadata:
        table = table.replace_schema_metadata({f"fluxhero.{key}": value for key, value in metadata.items()})
    pq.write_table(table, path)
    return path


def test_parquet_is_read_and_rows_are_counted_from_one(tmp_path):
    high = np.full(40, 100.5)
    high[6] = 90.0
    error = _refused(_parquet(tmp_path / "SPY_1m.parquet", high=high))
    assert "SPY_1m.parquet row 7 (2024-07-03 13:36 UTC): high was 90, must be at least" in str(error)


def test_parquet_metadata_say_what_the_caller_need_not(tmp_path):
    said = {"symbol": "BTC/USD", "timeframe": "1m", "stamp": "end", "asset_class": "crypto"}
    market = import_bars(_parquet(tmp_path / "x.parquet", metadata=said)).market
    assert market["symbol"].item() == "BTC/USD"
    assert market["asset_class"].item() == "crypto"
    first = np.flatnonzero(~np.isnan(market["close"].values[0]))[0]
    assert market["time"].values[first] == np.datetime64("2024-07-03T13:30")


def test_metadata_and_caller_that_disagree_on_the_stamp_are_refused(tmp_path):
    path = _parquet(tmp_path / "SPY_1m.parquet", metadata={"stamp": "end"})
    with pytest.raises(DataError, match="declares that its times mark the end, not the start"):
        import_bars(path, stamp="start")
    path = _parquet(tmp_path / "SPY_1m.parquet", metadata={"stamp": "middle"})
    with pytest.raises(DataError, match=r"declares fluxhero.stamp='middle'; must be start or end"):
        import_bars(path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"close": [True] * 40}, "column 'close' holds bool, must be numbers"),
        ({"timestamp": [1.5] * 40}, "column 'timestamp' holds double, must be times"),
    ],
)
def test_parquet_columns_of_the_wrong_type_are_refused(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        import_bars(_parquet(tmp_path / "SPY_1m.parquet", **columns), stamp="start")


def test_null_in_parquet_is_a_missing_value(tmp_path):
    volume = pa.array([None, *range(39)], pa.int64())
    error = _refused(_parquet(tmp_path / "SPY_1m.parquet", volume=volume))
    assert "row 1 (2024-07-03 13:30 UTC): volume was '', must be a finite number" in str(error)


def test_naive_parquet_times_are_refused_without_a_zone(tmp_path):
    naive = pa.array(np.datetime64("2024-07-03T13:30", "us") + np.arange(40) * np.timedelta64(1, "m"))
    with pytest.raises(DataError, match="have no zone"):
        import_bars(_parquet(tmp_path / "SPY_1m.parquet", timestamp=naive), stamp="start")


def test_truncated_parquet_is_refused(tmp_path):
    path = _parquet(tmp_path / "SPY_1m.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="the Parquet file is cut off"):
        import_bars(path, stamp="start")
    path.write_bytes(HEADER.encode())
    with pytest.raises(DataError, match="not a Parquet file"):
        import_bars(path, stamp="start")


def test_parquet_without_rows_is_refused(tmp_path):
    with pytest.raises(DataError, match="the file has no rows"):
        import_bars(_parquet(tmp_path / "SPY_1m.parquet", 0), stamp="start")


# Reports


def test_suspicious_rows_warn_and_stay(tmp_path):
    rows = _rows([stamp for i, stamp in enumerate(_times("2024-07-05T13:30", 60)) if not 20 <= i < 27])
    rows[30] = rows[30].rsplit(",", 1)[0] + ",0"
    report = import_bars(_csv(tmp_path / "SPY_1m.csv", rows), stamp="start").report
    assert report.counts == {"gap": 1, "zero_volume": 1}
    assert "SPY_1m.csv line 22: 7 bars missing before 2024-07-05 13:57 UTC" in report.text()
    assert report.series[0].n_missing == 7


def test_validation_reports_what_import_refuses(minutes):
    report = validate_bars(_changed(minutes, 5, 2, "99.00"), stamp="start")
    assert report.has_impossible
    assert not report.is_imported
    assert report.counts == {"high_below_body": 1}
    assert "Checked SPY 1m from SPY_1m.csv" in report.text()


def test_report_survives_json(minutes):
    report = validate_bars(_changed(minutes, 5, 4, "nan"), stamp="start")
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["n_impossible"] == 1
    assert data["findings"]["not_finite"]["examples"][0]["line"] == 5
    assert data["series"][0]["symbol"] == "SPY"


def test_clean_report_says_so(minutes):
    text = import_bars(minutes, stamp="start").report.text()
    assert text.splitlines()[0] == "Imported SPY 1m from SPY_1m.csv"
    assert "40 rows, 40 bars kept" in text
    assert text.endswith("Nothing to complain about.")


def test_nothing_left_is_an_error_with_a_hint(tmp_path):
    path = _csv(tmp_path / "SPY_1m.csv", _rows(_times("2024-07-05T10:00", 20)))
    with pytest.raises(
        DataError, match="no bar of SPY is left of 20 rows: 0 are impossible and 20 lie outside"
    ):
        import_bars(path, stamp="start")


def test_source_and_adjustment_are_kept(minutes):
    market = import_bars(minutes, stamp="start", adjustment="raw").market
    assert market.attrs["source"] == "imported from SPY_1m.csv"
    assert market.attrs["adjustment"] == "raw"


def test_every_refusal_is_of_our_family():
    assert issubclass(ImportRefusedError, FluxHeroError)


def test_examples_in_docstrings_run():
    assert doctest.testmod(file_names).failed == 0


def test_a_year_of_minutes_is_imported_quickly(tmp_path):
    sessions = session_grid("XNYS", "2024-01-02", dt.date(2025, 1, 1))
    ts_ns = bar_grid(sessions, "1m").ts_ns
    table = pa.table(
        {
            "timestamp_utc": pa.array(ts_ns, pa.timestamp("ns", "UTC")),
            **{name: np.full(ts_ns.size, 100.0) for name in ("open", "high", "low", "close", "volume")},
        }
    )
    pq.write_table(table, tmp_path / "SPY_1m.parquet")
    started = time.perf_counter()
    assert import_bars(tmp_path / "SPY_1m.parquet", stamp="end").report.series[0].n_kept == ts_ns.size
    assert time.perf_counter() - started < 2.0  # 0.1 s when idle and the calendar is known
