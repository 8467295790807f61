"""What the README shows runs, and what it names exists."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import fluxhero as fx
from fluxhero.engine.audit import check_strategy
from fluxhero.kernels.registry import INDICATORS


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text()


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_python_example_runs(readme: str) -> None:
    example = blocks(readme)[0]
    assert "import fluxhero as fx" in example
    scope: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), scope)
    assert scope["cube"].attrs["n_trials"] == 15
    assert len(scope["run"].equity["symbol"]) == 2


def test_the_features_example_runs(readme: str) -> None:
    scope: dict[str, Any] = {"fx": fx, "market": fx.sample_market(n_symbols=2, sessions=40)}
    exec(compile(blocks(readme)[2], "README.md", "exec"), scope)
    warm = scope["table"].isel(time=slice(1_000, None))
    assert set(warm.data_vars) == set(scope["FEATURES"])
    assert all(float(values.notnull().mean()) > 0.99 for values in warm.data_vars.values())
    assert len(scope["learning"].data_vars) == len(fx.ML_FEATURES)
    assert f"{len(INDICATORS)} indicators".replace("76", "Seventy-six") in readme


def test_the_portfolio_example_explains_itself(readme: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(blocks(readme)[3], "README.md", "exec"), {"fx": fx})
    assert "24% from trend, 10% from revert, 6% from crypto" in capsys.readouterr().out


def test_the_signals_example_trades(readme: str) -> None:
    scope: dict[str, Any] = {"fx": fx, "market": fx.sample_market(n_symbols=2, sessions=10)}
    exec(compile(blocks(readme)[4], "README.md", "exec"), scope)
    assert scope["cube"].attrs["n_trials"] == 5
    assert scope["run"].is_shared
    assert len(scope["run"].trades) > 3


def test_the_example_of_doubts_gives_a_range(
    readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dip.py").write_text(blocks(readme)[5])
    scope: dict[str, Any] = {"fx": fx, "market": fx.sample_market(n_symbols=2, sessions=20)}
    exec(compile(blocks(readme)[6], "README.md", "exec"), scope)
    assert scope["cube"].total_return.min() < scope["cube"].total_return.max()
    assert "whatever one assumes of fills" in capsys.readouterr().out


def test_the_strategy_example_is_one_and_does_not_look_ahead(readme: str, tmp_path: Path) -> None:
    path = tmp_path / "my_rule.py"
    path.write_text(blocks(readme)[1])
    report = check_strategy(path, n_trials=2, n_cuts=3, n_bars=4_000)
    assert report.ok, report.text()
    assert report.n_decisions > 100


def test_every_command_named_exists(readme: str) -> None:
    from fluxhero.api.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"`?fluxhero ([a-z]+)", readme))
    assert named <= known | {"as"}
    assert {"sweep", "backtest", "replay", "check", "data", "paper", "serve", "strategies", "bench"} <= named


def test_every_make_target_named_exists(readme: str, root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z-]+)", readme))
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert named - {"lint", "types"} <= targets | {"everything"}
