"""Damaged files: an import either names the damaged line or gives what a plain reading of the file gives."""

import csv
import datetime as dt
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fluxhero.adapters.bar_files import import_bars
from fluxhero.adapters.import_report import ImportRefusedError
from fluxhero.engine.errors import FluxHeroError

N_BARS = 40
OPEN = dt.datetime(2024, 7, 3, 13, 30, tzinfo=dt.UTC)
CLOSE = dt.datetime(2024, 7, 3, 17, 0, tzinfo=dt.UTC)
HEADER = "timestamp_utc,open,high,low,close,volume"
NAMES = HEADER.split(",")

FILE = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


def _lines() -> list[str]:
    lines = [HEADER]
    for i in range(N_BARS):
        stamp = (OPEN + dt.timedelta(minutes=i)).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(f"{stamp},100.{i:02d},101.{i:02d},99.{i:02d},100.{(i * 7) % 100:02d},{1_000 + i}")
    return lines


def _import(path: Path, content: bytes):
    path.write_bytes(content)
    return import_bars(path, stamp="start", timeframe="1m", symbol="SPY", asset_class="equity")


def _blamed(path: Path, lines: list[str]) -> set[int]:
    with pytest.raises(ImportRefusedError) as caught:
        _import(path, ("\n".join(lines) + "\n").encode())
    return {finding.line for finding in caught.value.report.findings() if finding.is_impossible}


def _read_plainly(content: bytes) -> dict[dt.datetime, tuple[float, ...]]:
    """Closes and values of the bars inside the session, by the standard library."""
    bars = {}
    for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
        if not any((value or "").strip() for value in row.values()):
            continue
        close = dt.datetime.fromisoformat(row["timestamp_utc"].strip()) + dt.timedelta(minutes=1)
        if OPEN < close <= CLOSE:
            bars[close] = tuple(float(row[name]) for name in NAMES[1:])
    return bars


def _as_bars(market) -> dict[dt.datetime, tuple[float, ...]]:
    table = np.stack([market[name].values[0] for name in NAMES[1:]], axis=1)
    times = market["time"].values.astype("datetime64[us]").tolist()
    return {
        time.replace(tzinfo=dt.UTC): tuple(row)
        for time, row in zip(times, table.tolist(), strict=True)
        if not np.isnan(row[0])
    }


@FILE
@given(
    line=st.integers(2, N_BARS + 1),
    column=st.integers(1, 5),
    value=st.sampled_from(["", "nan", "-inf", "-1", "x", "1,2", "1.2.3", "0x1f", "--5", "1 000", "٣"]),
)
def test_damaged_number_is_blamed_on_its_line(tmp_path, line, column, value):
    lines = _lines()
    fields = lines[line - 1].split(",")
    fields[column] = value
    lines[line - 1] = ",".join(fields)
    assert _blamed(tmp_path / "SPY.csv", lines) == {line}


@FILE
@given(
    line=st.integers(2, N_BARS + 1),
    value=st.sampled_from(
        ["", "now", "2024-07-03", "2024-07-03T13:30", "2024-13-01T00:00:00Z", "1720013400", "9" * 30]
    ),
)
def test_damaged_time_is_blamed_on_its_line(tmp_path, line, value):
    lines = _lines()
    lines[line - 1] = value + lines[line - 1][20:]
    assert _blamed(tmp_path / "SPY.csv", lines) == {line}


@FILE
@given(line=st.integers(2, N_BARS + 1), copies=st.integers(1, 3), at=st.integers(0, N_BARS))
def test_repeated_line_is_blamed_and_not_the_first(tmp_path, line, copies, at):
    lines = _lines()
    position = max(at + 1, line)  # the copies stand somewhere after the original
    lines[position:position] = [lines[line - 1]] * copies
    assert _blamed(tmp_path / "SPY.csv", lines) == set(range(position + 1, position + 1 + copies))


@FILE
@given(line=st.integers(2, N_BARS + 1), to=st.integers(2, N_BARS + 1))
def test_moved_line_is_blamed(tmp_path, line, to):
    assume(abs(line - to) > 1)  # of two neighbours that changed places, either may be the culprit
    lines = _lines()
    lines.insert(to - 1, lines.pop(line - 1))
    assert _blamed(tmp_path / "SPY.csv", lines) == {to}


@FILE
@given(line=st.integers(4, N_BARS - 1), minutes=st.integers(-10_000_000, 10_000_000))
def test_time_moved_anywhere_is_blamed_on_its_line(tmp_path, line, minutes):
    assume(minutes != 0)
    lines = _lines()
    moved = OPEN + dt.timedelta(minutes=line - 2 + minutes)
    lines[line - 1] = moved.strftime("%Y-%m-%dT%H:%M:%SZ") + lines[line - 1][20:]
    assert _blamed(tmp_path / "SPY.csv", lines) == {line}


@FILE
@given(cut=st.integers(0, len("\n".join(_lines()))))
def test_file_cut_anywhere_is_read_or_its_last_line_blamed(tmp_path, cut):
    content = "\n".join(_lines())[:cut].encode()
    blamed: set[int] = set()
    try:
        market = _import(tmp_path / "SPY.csv", content).market
    except ImportRefusedError as error:
        blamed = {finding.line for finding in error.report.findings() if finding.is_impossible}
        assert blamed
    except FluxHeroError:
        assert content.count(b"\n") <= 1  # within the header or the first row
    else:
        assert _as_bars(market) == _read_plainly(content)
    assert blamed <= {content.count(b"\n") + 1}


@settings(FILE, max_examples=150)
@given(
    edits=st.lists(
        st.tuples(
            st.integers(len(HEADER) + 1, len("\n".join(_lines()))),
            st.sampled_from(["replace", "insert", "delete"]),
            st.sampled_from(list(b"0123456789,.-+:TZ \n\reE\"'\x00\xff;a")),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_edit_of_bytes_gives_a_plain_reading_or_an_error_of_ours(tmp_path, edits):
    content = bytearray("\n".join([*_lines(), ""]).encode())
    for at, action, byte in edits:
        at = min(at, len(content) - 1)
        if action == "replace":
            content[at] = byte
        elif action == "insert":
            content.insert(at, byte)
        else:
            del content[at]
    try:
        market = _import(tmp_path / "SPY.csv", bytes(content)).market
    except FluxHeroError:
        return
    assert _as_bars(market) == _read_plainly(bytes(content))


@settings(FILE, max_examples=100)
@given(
    content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)),
    ending=st.sampled_from(["csv", "parquet"]),
)
def test_garbage_is_refused_by_an_error_of_ours(tmp_path, content, ending):
    with pytest.raises(FluxHeroError):
        _import(tmp_path / f"SPY.{ending}", content)
