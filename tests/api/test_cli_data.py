"""Importing and validating files from the command line, and reading what options say."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fluxhero.api.cli import app
from fluxhero.api.commands.assignments import read_axes, read_number, read_settings
from fluxhero.api.commands.console import duration, plain, short_count
from fluxhero.engine.errors import ParameterError
from fluxhero.store.market import read_market

GOOD = """date,open,high,low,close,volume
2024-01-02,10,11,9,10.5,1000
2024-01-03,10.5,12,10,11.5,1200
2024-01-04,11.5,12,11,11.2,900
"""
BAD = GOOD + "2024-01-05,11.2,10,11,11.5,800\n"


def fluxhero(*args: str) -> Result:
    return CliRunner().invoke(app, args)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good and a bad file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "GOOD.csv").write_text(GOOD)
    (tmp_path / "BADX.csv").write_text(BAD)
    return tmp_path


def test_an_import_writes_a_market_and_says_what_it_found(here: Path) -> None:
    done = fluxhero("data", "import", "GOOD.csv", "--out", "m.zarr")
    assert done.exit_code == 0, done.stderr
    assert "Imported GOOD 1d from GOOD.csv" in done.stdout
    assert "use it with --data m.zarr" in done.stdout
    assert read_market("m.zarr").sizes["time"] == 3


def test_an_import_as_json_prints_nothing_else(here: Path) -> None:
    done = fluxhero("data", "import", "GOOD.csv", "--out", "m.zarr", "--json")
    told = json.loads(done.stdout)
    assert Path(told["market"]) == here / "m.zarr"
    assert (told["is_imported"], told["n_impossible"]) == (True, 0)


def test_a_market_is_replaced_only_on_demand(here: Path) -> None:
    args = ("data", "import", "GOOD.csv", "--out", "m.zarr")
    assert fluxhero(*args).exit_code == 0
    again = fluxhero(*args)
    assert again.exit_code == 2
    assert "m.zarr exists; choose another name, or replace it with --overwrite" in again.stderr
    assert fluxhero(*args, "--overwrite").exit_code == 0


def test_overwriting_spares_what_is_no_market(here: Path) -> None:
    (here / "thesis").mkdir()
    (here / "thesis" / "chapter.txt").write_text("years of work")
    done = fluxhero("data", "import", "GOOD.csv", "--out", "thesis", "--overwrite")
    assert done.exit_code == 2
    assert "is something else" in done.stderr
    assert (here / "thesis" / "chapter.txt").is_file()


def test_impossible_rows_refuse_the_import_and_stay_on_their_lines(here: Path) -> None:
    done = fluxhero("data", "import", "BADX.csv", "--out", "m.zarr")
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert lines[0] == "fluxhero: BADX: 1 row is impossible and nothing was imported:"
    assert "BADX.csv line 5 (2024-01-05): high was 10" in lines[1]
    assert not (here / "m.zarr").exists()
    excluded = fluxhero("data", "import", "BADX.csv", "--out", "m.zarr", "--drop-invalid")
    assert excluded.exit_code == 0
    assert read_market("m.zarr").sizes["time"] == 3


def test_a_sweep_shows_the_rows_that_refuse_its_data(here: Path) -> None:
    done = fluxhero("sweep", "--data", "BADX.csv")
    assert done.exit_code == 2
    assert "BADX.csv line 5 (2024-01-05): high was 10" in done.stderr


def test_validation_ends_with_1_where_rows_are_impossible(here: Path) -> None:
    good, bad = (fluxhero("data", "validate", name) for name in ("GOOD.csv", "BADX.csv"))
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert "Nothing to complain about" in good.stdout
    assert "BADX.csv line 5 (2024-01-05): high was 10" in bad.stdout
    told = fluxhero("data", "validate", "BADX.csv", "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["findings"]["high_below_body"]["count"] == 1


def test_numbers_are_read_as_numbers_and_names_as_names() -> None:
    assert [read_number(text) for text in ("20", "-0.5", "1e-4", "trend_only")] == [
        20,
        -0.5,
        1e-4,
        "trend_only",
    ]


def test_axes_keep_the_order_they_are_given_in() -> None:
    axes = read_axes(["b=3,1,2", "a=0:1:5", "mode=dual,trend_only"], "--grid")
    assert list(axes) == ["b", "a", "mode"]
    assert axes["b"] == [3, 1, 2]


def test_nested_settings_are_yaml() -> None:
    assert read_settings(["a.b=[1, 2]", "a.c=null", "d=1e-4"], "--set") == {
        "a": {"b": [1, 2], "c": None},
        "d": 1e-4,
    }


@pytest.mark.parametrize("texts", [["a=1", "a=2"], ["a=1", "a.b=2"], ["=1"], ["a="], ["a=1", "a"]])
def test_settings_that_contradict_or_say_nothing_are_refused(texts: list[str]) -> None:
    with pytest.raises(ParameterError, match="`--set`"):
        read_settings(texts, "--set")


def test_json_has_no_nan() -> None:
    import numpy as np

    assert plain({"a": [np.float64("nan"), np.int64(3), float("inf")], "b": Path("x")}) == {
        "a": [None, 3, None],
        "b": "x",
    }


@pytest.mark.parametrize(
    ("number", "words"),
    [(12, "12"), (1_500, "1.5 thousand"), (549_300_000, "549 million"), (1.26e9, "1.3 billion")],
)
def test_counts_are_short(number: float, words: str) -> None:
    assert short_count(number) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (59.6, "60 s"), (75, "1 min 15 s"), (8_000, "2 h 13 min")]
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words
