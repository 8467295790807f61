"""What a rule may not do is said when its file is loaded."""

from pathlib import Path

import numpy as np
import pytest

from fluxhero.engine.backtest import backtest
from fluxhero.engine.errors import StrategyError
from fluxhero.engine.fingerprint import fingerprint, reached_arrays
from fluxhero.engine.market import from_arrays
from fluxhero.engine.strategy import builtin_strategies, load_strategy

HEAD = "from fluxhero.engine.strategy import Feature, Param, enter, hold, leave, trail\n"
RULE = "def decide(bar, x, p, position):\n"


def load(folder: Path, body: str, head: str = ""):  # type: ignore[no-untyped-def]
    path = folder / "rule.py"
    path.write_text(HEAD + head + RULE + "".join(f"    {line}\n" for line in body.splitlines()))
    return load_strategy(path)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("if bar.close > 1.0:\n    d = 2.0\nreturn enter(d, 0.01, 1)", "reads `d` in line 5"),
        (
            "if bar.close > 1.0:\n    d = 2.0\nelif bar.low > 0.5:\n    e = 1.0\nreturn enter(d, 0.01, 1)",
            "`d`",
        ),
        ("for i in range(3):\n    d = bar.close\nreturn enter(d, 0.01, 1)", "reads `d`"),
        ("while bar.close > 5.0:\n    d = 1.0\n    break\nreturn hold(int(d))", "reads `d`"),
        ("if bar.close > 1.0:\n    return hold()", "may end without an answer"),
        ("pass", "may end without an answer"),
    ],
)
def test_a_path_that_leaves_something_out_is_refused(tmp_path: Path, body: str, told: str) -> None:
    with pytest.raises(StrategyError, match=told):
        load(tmp_path, body)


@pytest.mark.parametrize(
    "body",
    [
        "if bar.close > 1.0:\n    d = 2.0\nelse:\n    d = 3.0\nreturn enter(d, 0.01, 1)",
        "d = 1.0\nfor i in range(3):\n    d = d + i\nreturn enter(d, 0.01, 1)",
        "if bar.close > 1.0:\n    d = 2.0\n    return enter(d, 0.01, 1)\nreturn hold()",
        "d = 0.0\nwhile d < bar.close:\n    e = d + 1.0\n    d = e\nreturn hold(int(d))",
        "a, b = bar.open, bar.close\nreturn hold() if a > b else leave(1)",
    ],
)
def test_a_rule_that_sets_everything_is_accepted(tmp_path: Path, body: str) -> None:
    load(tmp_path, body)


def test_our_own_rules_pass() -> None:
    for name in builtin_strategies():
        load_strategy(name)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("import numpy as np\n", "return hold(int(np.random.random() > 2.0))"),
        ("import random\n", "return hold(int(random.random() > 2.0))"),
        ("from random import random\n", "return hold(int(random() > 2.0))"),
        ("from numpy import random\n", "return hold(int(random.rand() > 2.0))"),
        ("import time\n", "return hold(int(time.time()))"),
        ("import numpy as np\ndef dice():\n    return np.random.rand()\n", "return hold(int(dice()))"),
    ],
)
def test_chance_and_clocks_are_refused(tmp_path: Path, head: str, body: str) -> None:
    with pytest.raises(StrategyError, match="chance and clocks would give other results"):
        load(tmp_path, body, head)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("np.int64(5)", "np.int64(7)"),
        ("np.float32(5)", "np.float32(7)"),
        ("(np.int64(5), 1)", "(np.int64(7), 1)"),
    ],
)
def test_an_edit_of_a_numpy_constant_is_noticed(tmp_path: Path, before: str, after: str) -> None:
    body = "return hold(int(N > 0))" if "(np" not in before else "return hold(int(N[0] > 0))"
    first = fingerprint(load(tmp_path, body, f"import numpy as np\nN = {before}\n").decide)
    assert fingerprint(load(tmp_path, body, f"import numpy as np\nN = {after}\n").decide) != first


def test_a_helper_named_like_a_standard_module_is_the_authors(tmp_path: Path) -> None:
    (tmp_path / "turtle.py").write_text("STOP = 1.0\n")
    first = fingerprint(load(tmp_path, "return hold(int(bar.close > turtle.STOP))", "import turtle\n").decide)
    (tmp_path / "turtle.py").write_text("STOP = 2.0\n")
    later = fingerprint(load(tmp_path, "return hold(int(bar.close > turtle.STOP))", "import turtle\n").decide)
    assert first != later


def test_arrays_in_modules_and_closures_are_found(tmp_path: Path) -> None:
    (tmp_path / "table.py").write_text("import numpy as np\nNEXT = np.arange(300.0)\n")
    named = load(tmp_path, "return hold(int(bar.close > table.NEXT[3]))", "import table\n")
    assert reached_arrays(named.decide) == {"table.NEXT": 300}
    head = (
        "import numpy as np\ndef make():\n    held = np.arange(40.0)\n"
        "    def look(i):\n        return held[i]\n    return look\nlook = make()\n"
    )
    assert reached_arrays(load(tmp_path, "return hold(int(bar.close > look(2)))", head).decide) == {
        "held": 40
    }


def test_a_helper_that_its_author_compiled_works(tmp_path: Path) -> None:
    head = "from numba import njit\n@njit\ndef half(v):\n    return v / 2.0\n"
    rule = load(tmp_path, "return enter(half(bar.close), 0.01, 1)", head)
    time = 60_000_000_000 * np.arange(1, 4)
    ones = np.ones(3) * 10.0
    run = backtest(rule, from_arrays("A", time, ones, ones, ones, ones, ones, timeframe="1m"))
    assert run.orders["stop_distance"].iloc[0] == 5.0


def test_a_file_that_exits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match="SystemExit"):
        load(tmp_path, "return hold()", "import sys\nsys.exit(3)\n")


def test_many_features_compile(tmp_path: Path) -> None:
    names = [f"f{i}" for i in range(40)]
    features = ", ".join(f"'{name}': Feature('ema', lookback={i + 2})" for i, name in enumerate(names))
    rule = load(
        tmp_path,
        f"return hold(int({' + '.join(f'x.{name}' for name in names)} > 0.0))",
        f"FEATURES = {{{features}}}\n",
    )
    time = 60_000_000_000 * np.arange(1, 60)
    ones = np.ones(59) * 10.0
    run = backtest(rule, from_arrays("A", time, ones, ones, ones, ones, ones, timeframe="1m"))
    assert list(run.decisions["f39"])[-1] == 10.0
