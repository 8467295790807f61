"""What commands write and where: costs by asset class, folders that nobody shares, names nobody can read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fluxhero.api.commands import outputs
from fluxhero.api.commands.console import plain
from fluxhero.api.commands.progress import Pace
from fluxhero.engine.config import load_costs
from fluxhero.engine.errors import StoreError
from fluxhero.engine.sweep import Progress
from fluxhero.store.results import read_result

from .test_cli_sweep import GRID, SIZE, fluxhero, succeeded

CRYPTO = ("--symbol", "BTC", "--stamp", "start", "--asset-class", "crypto")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_coin(path: Path) -> Path:
    """Forty days of hours."""
    start = np.datetime64("2024-01-01T00:00", "m")
    rows = ["timestamp_utc,open,high,low,close,volume"]
    for i in range(40 * 24):
        price = 30_000.0 * (1.0 + 0.05 * np.sin(i / 30.0))
        rows.append(f"{start + 60 * i}Z,{price:.2f},{price + 20:.2f},{price - 20:.2f},{price:.2f},5")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def coin(here: Path) -> str:
    return str(write_coin(here / "BTC.csv"))


@pytest.mark.parametrize(
    ("words", "own", "expected"),
    [
        ((), None, "crypto"),
        (("demo",), None, "crypto"),
        (("demo", "--set", "costs.slippage=0.003"), None, {"base": "crypto", "slippage": 0.003}),
        (("mine.yaml",), "base: demo\ncosts: {slippage: 0.003}\n", {"base": "crypto", "slippage": 0.003}),
        (("mine.yaml",), "base: demo\ncosts: us_equity\n", "us_equity"),
        (("demo", "--costs", "zero"), None, "zero"),
        (("demo", "--costs", "zero", "--set", "costs.impact=0.1"), None, {"base": "zero", "impact": 0.1}),
    ],
)
def test_costs_follow_the_asset_class_unless_somebody_names_a_profile(
    here: Path, coin: str, words: tuple[str, ...], own: str | None, expected: object
) -> None:
    if own:
        (here / "mine.yaml").write_text(own)
    succeeded("sweep", *words, "--data", coin, *CRYPTO, *GRID, "--out", "a")
    costs = json.loads(read_result("a/result.zarr").attrs["costs"])
    assert costs == json.loads(json.dumps(_plain_costs(expected)))


def _plain_costs(reference: object) -> dict[str, float]:
    costs = load_costs(reference)  # type: ignore[arg-type]
    return {name: getattr(costs, name) for name in costs.__struct_fields__}


def test_stocks_pay_what_stocks_pay(here: Path) -> None:
    succeeded("sweep", "demo", *SIZE, *GRID, "--set", "costs.slippage=0.003", "--out", "a")
    costs = json.loads(read_result("a/result.zarr").attrs["costs"])
    assert costs == _plain_costs({"base": "us_equity", "slippage": 0.003})


def test_a_backtest_of_a_coin_pays_what_coins_pay(here: Path, coin: str) -> None:
    succeeded("backtest", "--data", coin, *CRYPTO, "--out", "a")
    from fluxhero.store.experiments import Experiments

    with Experiments(here / "out" / "experiments.db", read_only=True) as experiments:
        (experiment,) = experiments.find()
    assert experiment.config["costs"] == _plain_costs("crypto")


def test_a_run_too_short_to_measure_has_no_rate() -> None:
    pace = Pace()
    pace.take(Progress(10**9, 10**9, 1e-7))
    assert pace.summary() == "in under 0.1 s"
    assert plain([pace.elapsed_s, pace.rate]) == [None, None]


def test_the_pace_is_the_engines_own() -> None:
    pace = Pace()
    pace.take(Progress(0, 400, 0.0))
    assert pace.words() == "starting"
    pace.take(Progress(100, 400, 2.0))
    assert (pace.elapsed_s, pace.rate, pace.left_s) == (2.0, 50.0, 6.0)
    assert pace.summary() == "in 2.0 s: 50 bars x trials per second"


def test_two_runs_of_one_second_have_a_folder_each(here: Path) -> None:
    with outputs.results_folder(None, "demo") as one, outputs.results_folder(None, "demo") as two:
        assert one != two
        for folder in (one, two):
            (folder / "report.html").write_text("")
    assert sorted(path.name for path in one.iterdir()) == ["report.html"]


def test_two_runs_cannot_be_given_one_folder(here: Path) -> None:
    with (
        outputs.results_folder(Path("a"), "demo"),
        pytest.raises(StoreError, match="`--out` was 'a', which is not empty"),
        outputs.results_folder(Path("a"), "demo"),
    ):
        pass


def test_a_folder_without_results_is_taken_away(here: Path) -> None:
    with pytest.raises(ValueError, match="no"), outputs.results_folder(Path("a"), "demo"):
        raise ValueError("no")
    assert not Path("a").exists()


def test_a_folder_that_cannot_be_made_is_refused_before_any_bar_is_read(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxhero.api.commands.sweep.load_market", lambda _: pytest.fail("bars were read"))
    (here / "file").write_text("")
    done = fluxhero("sweep", *SIZE, *GRID, "--out", "file/below")
    assert done.exit_code == 2
    assert "file" in done.stderr


def test_a_full_disk_is_named(here: Path) -> None:
    with (
        pytest.raises(OSError, match=r"No space left on device: 'a'"),
        outputs.results_folder(Path("a"), "x"),
    ):
        raise OSError(28, "No space left on device")


def test_trades_are_not_written_over_a_file(here: Path) -> None:
    (here / "trades.csv").write_text("years of work")
    done = fluxhero("backtest", *SIZE, "--out", "a", "--trades-csv", "trades.csv")
    assert done.exit_code == 2
    assert "`--trades-csv` was 'trades.csv', which exists; name a new file" in done.stderr
    assert (here / "trades.csv").read_text() == "years of work"
    assert not (here / "a").exists()


def test_a_file_name_that_is_no_text_and_a_terminal_without_letters(here: Path) -> None:
    odd = os.fsdecode(b"B\xffTC.csv")
    try:
        write_coin(here / odd)
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    base = [sys.executable, "-m", "fluxhero"]
    for encoding, more in (("ascii", ()), ("utf-8", ("--json",))):
        done = subprocess.run(
            [*base, "sweep", "--data", odd, *CRYPTO, *GRID, "--out", encoding, *more],
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert done.returncode == 0, done.stderr
    done = subprocess.run([*base, "data", "validate", odd, *CRYPTO], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"B\\xffTC.csv" in done.stdout or b"B\\udcffTC.csv" in done.stdout
