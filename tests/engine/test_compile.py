"""Generated modules: found again by a second process, missed after any edit, vectorised."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fluxhero.engine.codegen import Layout, Variant, module_text
from fluxhero.engine.errors import StrategyError
from fluxhero.engine.fingerprint import fingerprint, reached_arrays
from fluxhero.engine.strategy import load_strategy

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
from fluxhero.engine.codegen import Variant
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
    from fluxhero.engine.compile import compile_strategy

    rule.write_text(RULE.replace("return hold()", "return hold() if open('x') else hold()"))
    with pytest.raises(StrategyError, match="cannot be compiled"):
        compile_strategy(load_strategy(rule), Variant(8))


REMARKS = """
import sys
import llvmlite.binding as llvm
llvm.set_option("", "--pass-remarks=loop-vectorize")
from fluxhero.engine.compile import compile_strategy
from fluxhero.engine.codegen import Variant
from fluxhero.engine.strategy import load_strategy
compiled = compile_strategy(load_strategy(sys.argv[1]), Variant(64))
print(compiled.variant.shorts)
"""


@pytest.mark.parametrize(("rule", "shorts"), [("dual_mode", False), (str(RULES / "swing.py"), True)])
def test_every_loop_over_lanes_is_vectorised(rule: str, shorts: bool, fresh_cache: Path) -> None:
    """LLVM's own word for it; packed instructions alone could come from a loop beside."""
    strategy = load_strategy(rule)
    layout = Layout(64, tuple(strategy.params), strategy.read_features)
    text = module_text(layout, Variant(64, shorts=shorts))
    loops = text.count("for k in range(64):")
    gathers = len(strategy.read_features)  # copies of swept features: an indexed load has no vector form
    done = subprocess.run([sys.executable, "-c", REMARKS, rule], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(shorts)]
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
