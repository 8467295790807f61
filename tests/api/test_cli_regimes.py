"""``fluxhero regimes`` on real prices, and what it says when it cannot."""

import json
from pathlib import Path

import pytest

from fluxhero.tests.api.test_cli import TINY, run

FILE = "us_daily/lean_SPY_daily_raw.csv"


def test_years_that_people_remember(real_data: Path, tmp_path: Path) -> None:
    page = tmp_path / "regimes.html"
    chosen = ["--year", "2008", "--year", "2017", "--json", "--page", str(page)]
    done = run("regimes", "--data", str(real_data / FILE), "--symbol", "SPY", *chosen)
    assert done.returncode == 0, done.stderr
    years = json.loads(done.stdout)["years"]
    assert list(years) == ["2008", "2017"]
    assert years["2008"]["equity"]["bear"] > 0.9
    assert years["2017"]["equity"]["bull"] > 0.9
    assert years["2008"]["realised"]["high"] > 0.5
    assert years["2017"]["realised"]["low"] > 0.9
    assert "2008" in page.read_text()


def test_the_table_names_every_state() -> None:
    done = run("regimes", "--n-symbols", "1", "--sessions", "80", "--on", "1h")
    assert done.returncode == 0, done.stderr
    for word in ("strong trend", "mean reversion", "bear", "bull", "low", "high", "2024"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([*TINY], ["has 12 bars of 1d", "need 50 or more"]),
        (["--n-symbols", "2", "--sessions", "60"], ["those of one symbol", "ALFA"]),
        (["--n-symbols", "1", "--sessions", "60", "--year", "1999"], ["`--year` was 1999", "2024"]),
        (["--n-symbols", "1", "--sessions", "60", "--on", "7m"], ["'7m'", "15m"]),
        (["--n-symbols", "1", "--sessions", "60", "--page", "/dev/null/x.html"], ["/dev/null"]),
    ],
)
def test_what_it_cannot_do_is_said(args: list[str], words: list[str]) -> None:
    done = run("regimes", *args)
    assert done.returncode == 2, done.stdout
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
