"""Generated modules: found again by a second process, missed after any edit, vectorised."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxhero.adapters.sample_market import sample_market
from fluxhero.engine.abilities import says, variant_for
from fluxhero.engine.backtest import backtest
from fluxhero.engine.codegen import module_text
from fluxhero.engine.compile import compile_strategy
from fluxhero.engine.errors import StrategyError
from fluxhero.engine.fingerprint import fingerprint, is_library, reached_arrays
from fluxhero.engine.layout import Layout, Variant
from fluxhero.engine.market import from_arrays
from fluxhero.engine.setup import make_setup
from fluxhero.engine.strategy import load_strategy
from fluxhero.engine.timeframe import MINUTE_NS
from fluxhero.kernels.uses import Uses

RULES = Path(__file__).resolve().parents[1] / "data" / "strategies"
HELPER = "def above(a, b):\n    return a > b + more.bump(0.0)\n"
MORE = "STEP = 0.0\n\ndef bump(x):\n    return x + STEP\n"
RULE = '''"""A user's rule."""
import my_helpers
from fluxhero.engine.strategy import Feature, Param, enter, hold, leave
from my_helpers import above

EDGE = 0.0
PARAMS = {"stop": Param(0.02, 0.001, 0.5)}
FEATURES = {"mean": Feature("sma", lookback=20)}
REASONS = {1: "above", 2: "below"}

def decide(bar, x, p, position):
    if position.qty > 0.0:
        if bar.close < x.mean:
            return leave(2)
    elif above(bar.close, x.mean + EDGE):
        return enter(p.stop * bar.close, 0.01, 1)
    return hold()
'''

SWEEP = """
import json, sys
import fluxhero as fx
from fluxhero.engine.compile import compile_strategy
from fluxhero.engine.layout import Variant
from fluxhero.engine.strategy import load_strategy
compiled = compile_strategy(load_strategy(sys.argv[1]), Variant(8))
stats = compiled.advance.stats
hits, misses = sum(stats.cache_hits.values()), sum(stats.cache_misses.values())
print(json.dumps({"key": compiled.key, "hits": hits, "misses": misses}))
"""


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    (tmp_path / "my_helpers.py").write_text("import more\n\n" + HELPER)
    (tmp_path / "more.py").write_text(MORE)
    path = tmp_path / "my_rule.py"
    path.write_text(RULE)
    return path


def compiled_elsewhere(path: Path) -> dict[str, object]:
    """Compile in a process of its own and say whether the cache answered."""
    done = subprocess.run(
        [sys.executable, "-c", SWEEP, str(path)], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_second_process_finds_what_the_first_compiled(rule: Path, fresh_cache: Path) -> None:
    first = compiled_elsewhere(rule)
    second = compiled_elsewhere(rule)
    assert (first["hits"], first["misses"]) == (0, 1)
    assert (second["hits"], second["misses"]) == (1, 0)
    assert second["key"] == first["key"]


def test_an_edit_of_a_helpers_helper_is_noticed_and_a_comment_is_not(rule: Path) -> None:
    first = fingerprint(load_strategy(rule).decide)
    rule.write_text(RULE + "\n# a comment\n")
    assert fingerprint(load_strategy(rule).decide) == first
    (rule.parent / "more.py").write_text(MORE.replace("STEP = 0.0", "STEP = 1.0"))
    changed = fingerprint(load_strategy(rule).decide)
    assert changed != first
    (rule.parent / "more.py").write_text(MORE)
    assert fingerprint(load_strategy(rule).decide) == first
    rule.write_text(RULE.replace("EDGE = 0.0", "EDGE = 0.5"))
    assert fingerprint(load_strategy(rule).decide) != first


def test_siblings_of_a_rule_do_not_stay_imported(rule: Path) -> None:
    load_strategy(rule)
    assert "my_helpers" not in sys.modules
    assert "more" not in sys.modules
    assert str(rule.parent) not in sys.path


def test_a_rule_that_cannot_be_compiled_says_so(rule: Path) -> None:
    rule.write_text(RULE.replace("return hold()", "return hold() if open('x') else hold()"))
    with pytest.raises(StrategyError, match="cannot be compiled"):
        compile_strategy(load_strategy(rule), Variant(8))


REMARKS = """
import sys
import llvmlite.binding as llvm
llvm.set_option("", "--pass-remarks=loop-vectorize")
from fluxhero.engine.compile import compile_strategy
from fluxhero.engine.layout import Variant
from fluxhero.engine.strategy import load_strategy
from fluxhero.kernels.uses import Uses
compile_strategy(load_strategy(sys.argv[1]), Variant(64, uses=Uses(shorts=sys.argv[2] == "True")))
"""


@pytest.mark.parametrize(("rule", "shorts"), [("dual_mode", False), (str(RULES / "swing.py"), True)])
def test_every_loop_over_lanes_is_vectorised(rule: str, shorts: bool, fresh_cache: Path) -> None:
    """LLVM's own word for it; packed instructions alone could come from a loop beside."""
    strategy = load_strategy(rule)
    layout = Layout(64, tuple(strategy.params), strategy.read_features)
    text = module_text(layout, Variant(64, uses=Uses(shorts=shorts)))
    loops = text.count("for k in range(64):")
    gathers = len(strategy.read_features)  # copies of swept features: an indexed load has no vector form
    assert says(strategy, "shorts") == shorts
    told = [sys.executable, "-c", REMARKS, rule, str(shorts)]
    done = subprocess.run(told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("vectorized loop") == loops - gathers, done.stderr


def test_arrays_that_a_rule_reads_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cheat.py"
    path.write_text(
        RULE.replace("import my_helpers\n", "import numpy as np\n")
        .replace("from my_helpers import above\n", "")
        .replace("EDGE = 0.0", "EDGE = 0.0\nFUTURE = np.arange(500.0)")
        .replace("above(bar.close, x.mean + EDGE)", "bar.close > FUTURE[3]")
    )
    assert reached_arrays(load_strategy(path).decide) == {"FUTURE": 500}


SHORTS = {
    "the word": ("return enter_short(1.0, 0.01, 1)", "from fluxhero.engine.strategy import enter_short"),
    "another name": ("return sell(1.0, 0.01, 1)", "from fluxhero.engine.strategy import enter_short as sell"),
    "of a module": ("return words.enter_short(1.0, 0.01, 1)", "import fluxhero.engine.strategy as words"),
    "a helper's": ("return go(bar)", "from my_words import go"),
    "an intent by hand": (
        "return Intent(1.0, 1.0, 0.0, 1.0, 0.01, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)",
        "from fluxhero.engine.strategy import Intent",
    ),
}
WORDS = """
from fluxhero.engine import strategy

def go(bar):
    return strategy.enter_short(0.02 * bar.close, 0.01, 1)
"""


@pytest.mark.parametrize("how", SHORTS)
def test_a_rule_that_can_be_short_is_found_however_it_says_it(how: str, tmp_path: Path) -> None:
    line, imported = SHORTS[how]
    (tmp_path / "my_words.py").write_text(WORDS)
    path = tmp_path / "shorts.py"
    path.write_text(f"{imported}\nREASONS = {{1: 'down'}}\n\ndef decide(bar, x, p, position):\n    {line}\n")
    strategy = load_strategy(path)
    assert says(strategy, "shorts")
    assert variant_for(
        make_setup(strategy, timeframe="1m", sessions_per_year=252), Variant(1, tape=True)
    ).uses.shorts
    rows = [(50.0, 50.0, 50.0, 50.0, 1.0)] * 3
    market = from_arrays("XYZ", MINUTE_NS * np.arange(1, 4), *np.array(rows).T, timeframe="1m")
    assert list(backtest(strategy, market).fills["side"]) == [-1]


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("my_rule.py", False),
        ("out/rules/my_rule.py", False),
        ("benchmarks/strategies/told.py", False),
        ("tests/data/strategies/swing.py", False),
        ("engine/strategies/dual_mode.py", False),
        ("engine/strategy.py", True),
        ("kernels/intent.py", True),
        ("__init__.py", True),
    ],
)
def test_a_rule_that_lies_in_the_checkout_is_still_its_authors(root: Path, name: str, is_ours: bool) -> None:
    """Taken for ours, it would not be looked into: its helpers would not count, its shorts not be seen."""
    scope: dict[str, Any] = {}
    exec(compile("def decide(bar, x, p, position): pass", str(root / name), "exec"), scope)
    assert is_library(scope["decide"]) == is_ours


def test_lowest_low_is_kept_up_for_a_long_rule_that_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "low.py"
    path.write_text(
        "from fluxhero.engine.strategy import enter, leave, hold\nREASONS = {1: 'in', 2: 'fell'}\n\n"
        "def decide(bar, x, p, position):\n    if position.qty > 0.0:\n"
        "        return leave(2) if position.lowest_low < 49.0 else hold()\n"
        "    return enter(10.0, 0.01, 1)\n"
    )
    prices = np.array([50.0, 50.0, 48.0, 50.0, 50.0])
    line = (prices, np.full(5, 50.0), prices, np.full(5, 50.0), np.ones(5))
    market = from_arrays("XYZ", MINUTE_NS * np.arange(1, 6), *line, timeframe="1m")
    run = backtest(path, market)
    assert list(run.decisions["action"]) == ["enter", "hold", "leave", "enter", "hold"]


@pytest.mark.parametrize("abilities", [("shorts",), ("shorts", "resting", "targets", "trailing", "scored")])
def test_a_rule_gives_the_same_bits_with_what_it_never_does_compiled_in(
    abilities: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    market = sample_market(2, sessions=20)
    settings: dict[str, Any] = {"params": {"entry_atr": 0.2, "trend_r2": 0.41}}
    assert not any(says(load_strategy("dual_mode"), ability) for ability in abilities)
    plain = backtest("dual_mode", market, **settings)
    monkeypatch.setattr("fluxhero.engine.abilities.says", lambda strategy, ability: ability in abilities)
    both = backtest("dual_mode", market, **settings)
    assert len(plain.trades) > 5
    assert plain.equity.values.tobytes() == both.equity.values.tobytes()
    assert plain.fills.equals(both.fills)
    assert plain.metrics.equals(both.metrics)
