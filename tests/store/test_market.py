import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from fluxhero.engine.errors import DataError, NotFoundError, StoreError
from fluxhero.engine.market import data_hash, select
from fluxhero.store import read_market, write_market, write_result

FIELDS = ("open", "high", "low", "close", "volume")

WRITER = """
import sys
import numpy as np
from fluxhero.store import read_market, write_market
path = sys.argv[1]
first = read_market(path)
second = first.copy(deep=True)
second["volume"].values[:] = np.where(np.isnan(second["volume"].values), np.nan, 1.0)
for n in range(10_000):
    write_market((second, first)[n % 2], path, overwrite=True)
    print(n, flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "market.zarr"


@pytest.fixture
def stored(market, path):
    write_market(market, path)
    return path


def shard_file(path, variable):
    """The one file of a variable, and where each chunk lies in it: rows of (offset, length)."""
    (file,) = [file for file in (path / variable / "c").rglob("*") if file.is_file()]
    n_chunks = len(file.read_bytes()[-52:-4]) // 16  # three symbols, one chunk each; then a checksum
    return file, [struct.unpack("<QQ", file.read_bytes()[-52:-4][16 * i :][:16]) for i in range(n_chunks)]


def test_market_comes_back_to_the_bit(market, stored, assert_same_bits):
    assert_same_bits(read_market(stored), market)


def test_data_hash_survives_storage(market, stored):
    assert data_hash(read_market(stored)) == data_hash(market)


def test_writing_leaves_the_market_alone(market, path, assert_same_bits):
    before = market.copy(deep=True)
    write_market(market, path)
    assert_same_bits(market, before)


def test_what_was_read_can_be_written_again(stored, tmp_path, assert_same_bits):
    once = read_market(stored)
    write_market(once, tmp_path / "again.zarr")
    assert_same_bits(read_market(tmp_path / "again.zarr"), once)


def test_optional_fields_come_back(market, path, assert_same_bits):
    market["vwap"] = market["close"] + 0.005
    write_market(market, path)
    assert_same_bits(read_market(path), market)


def test_every_nan_keeps_its_bits(market, path):
    bits = 0x7FF8_0000_0000_BEEF
    for name in FIELDS:
        market[name].values[1] = np.array(bits, np.int64).view(np.float64)  # a chunk of nothing else
    write_market(market, path)
    assert (read_market(path)["close"].values[1].view(np.int64) == bits).all()


def test_plain_xarray_reads_it_too(market, stored):
    with xr.open_zarr(stored, consolidated=False) as opened:
        xr.testing.assert_equal(opened.load(), market)


@pytest.mark.parametrize("symbols", ["S1", ["S1"], ["S2", "S0"], ["S0", "S1"]])
def test_part_of_the_symbols(market, stored, symbols, assert_same_bits):
    assert_same_bits(read_market(stored, symbols=symbols), select(market, symbols))


@pytest.mark.parametrize(
    "bounds",
    [
        {"start": "2024-01-02"},
        {"stop": "2024-01-02"},
        {"start": "2024-01-02", "stop": "2024-01-03"},
        {"start": "2024-01-01T10:00", "stop": "2024-01-01T11:00"},
    ],
)
def test_part_of_the_time(market, stored, bounds, assert_same_bits):
    assert_same_bits(read_market(stored, **bounds), select(market, **bounds))


def test_chunks_of_other_symbols_are_not_read(market, stored, assert_same_bits):
    file, chunks = shard_file(stored, "close")
    data = bytearray(file.read_bytes())
    offset, length = chunks[1]
    data[offset + length // 2] ^= 0xFF
    file.write_bytes(data)
    assert_same_bits(read_market(stored, symbols=["S0", "S2"]), select(market, ["S0", "S2"]))
    with pytest.raises(StoreError, match="is damaged"):
        read_market(stored, symbols="S1")


def test_long_history_is_cut_along_time(make_market, path, assert_same_bits):
    market = make_market(n_symbols=2, n_bars=70_000)
    write_market(market, path)
    metadata = json.loads((path / "close" / "zarr.json").read_text())
    sharding = metadata["codecs"][0]["configuration"]
    assert sharding["chunk_shape"] == [1, 32_768]
    assert_same_bits(read_market(path), market)
    assert_same_bits(
        read_market(path, start="2024-02-01", stop="2024-02-02"),
        select(market, None, "2024-02-01", "2024-02-02"),
    )


def test_unknown_symbol_lists_the_known(stored):
    with pytest.raises(NotFoundError, match=r"S0.*S1.*S2"):
        read_market(stored, symbols="SPY")


def test_empty_range_is_refused(stored):
    with pytest.raises(DataError, match="no bar between"):
        read_market(stored, start="2030-01-01")


def test_invalid_market_is_not_written(market, path):
    market["close"].values[0, 0] = -1.0
    with pytest.raises(DataError):
        write_market(market, path)
    assert not path.exists()


def test_existing_market_is_replaced_only_on_request(market, stored, make_market, assert_same_bits):
    other = make_market(n_symbols=2, n_bars=100)
    with pytest.raises(StoreError, match="exists; pass `overwrite=True`"):
        write_market(other, stored)
    write_market(other, stored, overwrite=True)
    assert_same_bits(read_market(stored), other)


def test_other_folders_are_never_replaced(market, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "diary.txt").write_text("mine")
    with pytest.raises(StoreError, match="is something else"):
        write_market(market, tmp_path / "home", overwrite=True)
    assert (tmp_path / "home" / "diary.txt").read_text() == "mine"


def test_missing_market_lists_its_neighbours(stored, tmp_path):
    with pytest.raises(NotFoundError, match=r"nope\.zarr does not exist; market cubes .*: market\.zarr"):
        read_market(tmp_path / "nope.zarr")


def test_result_cube_is_no_market(tmp_path):
    write_result(xr.Dataset({"sharpe_ratio": ("trial", [1.0])}), tmp_path / "result.zarr")
    with pytest.raises(StoreError, match="is a result cube, not a market cube"):
        read_market(tmp_path / "result.zarr")


def test_empty_folder_is_no_market(tmp_path):
    with pytest.raises(StoreError, match="is no cube of FluxHero"):
        read_market(tmp_path)


def test_file_is_no_market(tmp_path):
    (tmp_path / "bars.csv").write_text("time,open\n")
    with pytest.raises(StoreError, match="is a file; a cube is a folder"):
        read_market(tmp_path / "bars.csv")


def test_foreign_zarr_is_no_market(market, tmp_path):
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(tmp_path / "foreign.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(StoreError, match="is zarr, but no cube of FluxHero"):
        read_market(tmp_path / "foreign.zarr")


def test_newer_format_asks_for_an_update(stored):
    root = json.loads((stored / "zarr.json").read_text())
    root["attributes"]["fluxhero_format"] = "market/2"
    (stored / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(StoreError, match=r"'market/2'.*update FluxHero"):
        read_market(stored)


def test_truncated_chunk_is_refused(stored):
    file, _ = shard_file(stored, "low")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(StoreError, match=r"is damaged: low/c/0/0 has \d+ bytes, was written with \d+"):
        read_market(stored)


def test_lost_chunk_is_refused_and_not_read_as_no_bars(stored):
    shard_file(stored, "low")[0].unlink()
    with pytest.raises(StoreError, match="is damaged: low/c/0/0 is missing"):
        read_market(stored)


@pytest.mark.parametrize("name", ["zarr.json", "close/zarr.json"])
def test_altered_metadata_are_refused(stored, name):
    text = (stored / name).read_text()
    assert "bytes" in text or "1m" in text
    (stored / name).write_text(text.replace("bytes", "bites").replace("1m", "5m"))
    with pytest.raises(StoreError, match="is damaged: its metadata were changed after writing"):
        read_market(stored)


def test_unreadable_root_is_refused(stored):
    (stored / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match=r"is damaged: zarr\.json cannot be read"):
        read_market(stored)


def test_market_replaced_while_it_is_read_is_read_again(market, stored, make_market, monkeypatch):
    other = make_market(n_symbols=1, n_bars=50)
    real = xr.open_zarr
    replacements = iter([lambda: write_market(other, stored, overwrite=True)])

    def open_late(*args, **kwargs):
        next(replacements, lambda: None)()
        return real(*args, **kwargs)

    monkeypatch.setattr("fluxhero.store.cube.xr.open_zarr", open_late)
    assert read_market(stored).sizes == other.sizes


def test_killed_writer_leaves_a_whole_market(market, stored, assert_same_bits):
    other = market.copy(deep=True)
    other["volume"].values[:] = np.where(np.isnan(other["volume"].values), np.nan, 1.0)
    hashes = {data_hash(market), data_hash(other)}
    for n_writes in range(int(os.environ.get("FLUXHERO_KILL_ROUNDS", "5"))):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(stored)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(n_writes + 1):
            process.stdout.readline()
        process.kill()
        process.communicate()
        assert data_hash(read_market(stored)) in hashes
    write_market(market, stored, overwrite=True)
    assert [file.name for file in stored.parent.iterdir()] == ["market.zarr"]
    assert_same_bits(read_market(stored), market)
