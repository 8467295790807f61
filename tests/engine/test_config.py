import math
import re

import msgspec
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fluxhero.engine.config import (
    Costs,
    Execution,
    Linspace,
    Risk,
    StrategyConfig,
    SweepConfig,
    from_json,
    load_config,
    load_costs,
    load_execution,
    load_risk,
    to_json,
)
from fluxhero.engine.documents import CONFIGS, shipped_names
from fluxhero.engine.errors import ConfigError
from fluxhero.engine.strategy import load_strategy

BOUNDS = {
    Costs: {
        "commission_per_share": (0.0, 1000.0, True),
        "commission_per_order": (0.0, 1000.0, True),
        "commission_rate": (0.0, 0.1, True),
        "slippage": (0.0, 0.1, True),
        "impact": (0.0, 0.1, True),
        "impact_participation": (0.0, 1.0, False),
        "borrow_rate": (0.0, 10.0, True),
    },
    Execution: {
        "participation": (0.0, 1.0, False),
        "cost_multiple": (0.0, 100.0, True),
    },
    Risk: {
        "fraction": (0.0, 1.0, False),
        "target_volatility": (0.0, 10.0, False),
        "kelly_share": (0.0, 1.0, False),
        "stop_atr": (0.0, 100.0, True),
        "max_stop": (0.0, 1.0, False),
        "max_crypto": (0.0, 1.0, False),
        "max_sector": (0.0, 1.0, False),
        "max_open_risk": (0.0, 1.0, False),
        "correlation_size": (0.0, 1.0, False),
        "drawdown_size": (0.0, 1.0, False),
        "drawdown_stop": (0.0, 1.0, False),
        "max_position": (0.0, 1.0, False),
        "max_deployed": (0.0, 1.0, False),
        "cash_rate": (-0.1, 1.0, True),
        "risk_free_rate": (-0.1, 1.0, True),
    },
}
SETTINGS = [(kind, name, *bound) for kind, bounds in BOUNDS.items() for name, bound in bounds.items()]


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="mine.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def refused(write):
    """Loads a text and returns the error without the folder of the file."""

    def load(text, kind=SweepConfig):
        path = write(text)
        with pytest.raises(ConfigError) as caught:
            load_config(path, kind)
        return str(caught.value).replace(f"{path.parent}/", "")

    return load


# ---- what is shipped


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_file_loads(path):
    kinds = {
        "costs": Costs,
        "execution": Execution,
        "risk": Risk,
        "strategies": StrategyConfig,
        "configs": SweepConfig,
    }
    load_config(path, kinds[path.parent.name])


def test_shipped_names():
    assert shipped_names("costs") == ["crypto", "us_equity", "zero"]
    assert shipped_names("execution") == ["optimistic", "pessimistic", "plain"]
    assert shipped_names("risk") == ["day_trading", "none", "platform", "retail", "reversion"]


def test_defaults_are_the_profiles():
    assert load_costs("us_equity") == Costs()
    assert load_execution("plain") == Execution()
    retail, plain = msgspec.structs.asdict(load_risk("retail")), msgspec.structs.asdict(Risk())
    assert {name for name in retail if retail[name] != plain[name]} == {
        name for name in plain if plain[name] is None and retail[name] is not None
    }  # the profile has limits that `Risk()` leaves off, and nothing else of its own


def test_crypto_pays_basis_points():
    assert load_costs("crypto").commission_rate == 0.001
    assert load_costs("crypto").commission_per_share == 0.0


def test_zero_costs_nothing():
    assert {name for name in Costs.__struct_fields__ if getattr(load_costs("zero"), name)} == {
        "impact_participation",
        "impact_model",
    }


def test_dual_mode_file_says_what_the_strategy_says():
    strategy = load_strategy("dual_mode")
    config = load_config("dual_mode", StrategyConfig)
    assert list(config.params) == list(strategy.params)
    assert {
        name: param.check(name, config.params[name]) for name, param in strategy.params.items()
    } == strategy.defaults()


def test_demo_sweeps_1080_trials():
    demo = load_config("demo", SweepConfig)
    axes = demo.axes()
    assert demo.n_trials == math.prod(len(values) for values in axes.values()) == 1080
    assert axes["entry_atr"] == [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert axes["rsi_low"] == [20, 25, 30, 35]
    assert (demo.costs, demo.risk) == (None, load_risk("retail"))  # costs go with the asset class


def test_demo_stays_within_the_strategy_bounds():
    demo, strategy = load_config("demo", SweepConfig), load_strategy("dual_mode")
    for name, values in demo.axes().items():
        for value in values:
            strategy.params[name].check(name, value)


# ---- bounds


@pytest.mark.parametrize(("kind", "name", "low", "high", "low_allowed"), SETTINGS)
def test_bounds_are_enforced_in_files_and_in_python(write, kind, name, low, high, low_allowed):
    allowed = [high, (low + high) / 2, *([low] if low_allowed else [])]
    refused = [np.nextafter(low, -9.0), np.nextafter(high, 9e9), math.nan, math.inf, -math.inf]
    refused += [] if low_allowed else [low]
    for value in allowed:
        assert getattr(kind(**{name: value}), name) == value
    for value in map(float, refused):
        with pytest.raises(ConfigError, match=f"`{name}` was .*, must be an? .* in [\\[(]"):
            kind(**{name: value})
        text = yaml.safe_dump({name: value})
        with pytest.raises(ConfigError, match=rf"mine\.yaml: `{name}` was .*, must be an? "):
            load_config(write(text), kind)


@given(st.sampled_from(SETTINGS), st.floats())
def test_a_value_is_kept_exactly_or_refused(setting, value):
    kind, name, low, high, low_allowed = setting
    if low <= value <= high if low_allowed else low < value <= high:
        assert getattr(kind(**{name: value}), name) == value
    else:
        with pytest.raises(ConfigError, match=re.escape(f"`{name}` was {value!r}, must be")):
            kind(**{name: value})


def test_every_number_has_bounds():
    for kind in BOUNDS:
        for name in kind.__struct_fields__:
            for value in (math.nan, math.inf, -math.inf, 1e300, -1e300, "nonsense", [], {}):
                with pytest.raises(ConfigError, match=f"`{name}` was"):
                    kind(**{name: value})


def test_numpy_numbers_become_plain():
    costs = Costs(slippage=np.float64(0.0002), commission_per_order=np.int64(1))
    assert type(costs.slippage) is type(costs.commission_per_order) is float
    sweep = SweepConfig(strategy="s", grid={"a": np.array([1.0, 2.0]), "b": [np.int64(3)]})
    assert sweep.axes() == {"a": [1.0, 2.0], "b": [3]}


def test_replacing_a_field_checks_it():
    with pytest.raises(ConfigError, match=re.escape("`slippage` was 7.0, must be a fraction in [0, 0.1]")):
        msgspec.structs.replace(Costs(), slippage=7.0)


def test_settings_cannot_be_changed():
    with pytest.raises(AttributeError):
        Costs().slippage = 0.0


# ---- what an error says


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "base: demo\nrisk: {max_position: 1.5}",
            "mine.yaml: `risk.max_position` was 1.5, must be a fraction in (0, 1]",
        ),
        ("base: demo\ninitial_cash: -1", "mine.yaml: `initial_cash` was -1, must be an amount in (0, 1e12]"),
        (
            "base: demo\ninitial_cash: lots",
            "mine.yaml: `initial_cash` was 'lots', must be an amount in (0, 1e12]",
        ),
        (
            "base: demo\ninitial_cash: yes",
            "mine.yaml: `initial_cash` was true, must be an amount in (0, 1e12]",
        ),
        ("base: demo\ndelay_s: 1e9", "mine.yaml: `delay_s` was 1000000000.0, must be seconds in [0, 86400]"),
        (
            "base: demo\ndecision_timeframe: 2h",
            "mine.yaml: `decision_timeframe` was '2h', must be one of 1m, 5m, 15m, 30m, 1h, 4h, 1d",
        ),
        (
            "base: demo\nrisk: {max_positon: 0.5}",
            "mine.yaml: `risk.max_positon` is unknown; did you mean `max_position`? "
            "known are sizing, fraction, target_volatility, ",
        ),
        ("base: demo\ncosts: 3", "mine.yaml: `costs` was 3, must be a mapping of commission_per_share, "),
        (
            "base: demo\ncosts: crpto",
            "mine.yaml: `costs` was 'crpto', which is not shipped; did you mean `crypto`? "
            "known are crypto, us_equity, zero; a path ends in .yaml",
        ),
        (
            "base: demo\ncosts: {base: crpto}",
            "mine.yaml: `costs.base` was 'crpto', which is not shipped; did you ",
        ),
        ("strategy: s", "mine.yaml: `grid` is missing, must be a mapping"),
        (
            "grid: {a: [1]}",
            "mine.yaml: `strategy` is missing, must be a strategy's name or the path of its file",
        ),
        (
            "strategy: s\ngrid: {}",
            "mine.yaml: `grid` has no axes; name at least one parameter and its values",
        ),
        (
            "strategy: s\ngrid: {a: 3}",
            "mine.yaml: `grid.a` was 3, must be a list of values, or {start, stop, num}",
        ),
        (
            "strategy: s\ngrid: {a: []}",
            "mine.yaml: `grid.a` was [], must be a list of values, or {start, stop, num}",
        ),
        (
            "strategy: s\ngrid: {a: [1, .nan]}",
            "mine.yaml: `grid.a[1]` was nan, must be a number or the name of a choice",
        ),
        (
            "strategy: s\ngrid: {a: [1, [2]]}",
            "mine.yaml: `grid.a[1]` was [2], must be a number or the name of a choice",
        ),
        (
            "strategy: s\ngrid: {a: {start: 1, stop: 2}}",
            "mine.yaml: `grid.a.num` is missing, must be a whole number in",
        ),
        (
            "strategy: s\ngrid: {a: {start: 1, stop: 2, num: 1.5}}",
            "mine.yaml: `grid.a.num` was 1.5, must be a whole",
        ),
        (
            "strategy: s\ngrid: {a: {start: 2, stop: 1, num: 3}}",
            "mine.yaml: `grid.a` goes from 2 to 1; `stop` must be above `start`",
        ),
        (
            "strategy: s\ngrid: {a: [1], b: [2]}\nheat_map_axes: [a, c]",
            "mine.yaml: `heat_map_axes` names 'c', which is no axis of `grid`; known are a, b",
        ),
        (
            "strategy: s\ngrid: {a: [1]}\nheat_map_axes: [a]",
            "mine.yaml: `heat_map_axes` was ['a'], must be two axes of",
        ),
        (
            "strategy: s\ngrid: {a: [1]}\nrank_by: sharpe",
            "mine.yaml: `rank_by` was 'sharpe'; did you mean `sharpe_ratio`? known are final_equity, ",
        ),
        (
            "strategy: s\ngrid: {a: [1]}\nparams: {a: 2}",
            "mine.yaml: `params.a` is an axis of `grid` too; keep one of the two",
        ),
        ("- a\n- b", "mine.yaml: holds a list, must be a mapping of settings"),
        ("", "mine.yaml: holds nothing, must be a mapping of settings"),
        ("a: 1\nb: 2\na: 3", "mine.yaml, line 3, column 1: the key `a` stands twice"),
        ("grid:\n  a: [1]\n  a: [2]", "mine.yaml, line 3, column 3: the key `a` stands twice"),
        ("on: 1", "mine.yaml, line 1, column 1: the key on reads as True; put it in quotes"),
        ("grid: {1: [2]}", "mine.yaml, line 1, column 8: the key 1 reads as 1; put it in quotes"),
        ("a: [1, 2", "mine.yaml, line 1, column 9: expected ',' or ']'"),
        ("a: 1\n\tb: 2", "mine.yaml, line 2, column 1: found character '\\t'"),
        (
            "a: !!python/object/apply:os.getcwd []",
            "mine.yaml, line 1, column 4: could not determine a constructor",
        ),
        ("strategy: s\ngrid: &g {a: *g}", "mine.yaml: is nested too deeply"),
        ("base: 3", "mine.yaml: `base` was 3, must be a shipped name or a path"),
        ("base: nope", "mine.yaml: `base` was 'nope', which is not shipped; known are demo"),
        ("base: mine.yaml", "mine.yaml: `base` was 'mine.yaml', which leads back to this file"),
        (
            "base: nope.yaml",
            "mine.yaml: `base` was 'nope.yaml', but nope.yaml does not exist; shipped are demo",
        ),
    ],
)
def test_error_names_file_key_value_and_what_is_allowed(refused, text, message):
    assert refused(text).startswith(message)


def test_error_carries_its_parts(write):
    path = write("base: demo\nrisk: {max_position: 1.5}")
    with pytest.raises(ConfigError) as caught:
        load_config(path, SweepConfig)
    assert caught.value.key == ("risk", "max_position")
    assert caught.value.source == str(path)


def test_error_in_a_base_names_the_base(write, refused):
    write("base: demo\nrisk: {max_position: 1.5}", "base.yaml")
    assert refused("base: base.yaml\ninitial_cash: 5").startswith("base.yaml: `risk.max_position` was 1.5")


def test_error_in_a_profile_names_the_profile(write, refused):
    write("slippage: 5", "dear.yaml")
    assert refused("base: demo\ncosts: dear.yaml").startswith("dear.yaml: `costs.slippage` was 5, must be")


def test_missing_file_lists_the_shipped_names(tmp_path):
    with pytest.raises(
        ConfigError, match=r"`costs` was .*does not exist; shipped are crypto, us_equity, zero"
    ):
        load_costs(tmp_path / "nope.yaml")
    with pytest.raises(ConfigError, match=r"`config` was 'dem', .*did you mean `demo`\?"):
        load_config("dem", SweepConfig)


def test_folder_is_no_file(tmp_path):
    (tmp_path / "x.yaml").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        load_risk(tmp_path / "x.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigError, match=r"x\.yaml: is not UTF-8 text \(byte 3\)"):
        load_risk(tmp_path / "x.yaml")


# ---- bases and profiles


def test_file_overrides_its_base_key_by_key(write):
    demo = load_config("demo", SweepConfig)
    mine = load_config(
        write(
            "base: demo\ninitial_cash: 5e3\ngrid: {entry_atr: [0.5], rsi_low: null}\ncosts: {slippage: 0.002}"
        ),
        SweepConfig,
    )
    assert mine.initial_cash == 5000.0
    assert mine.costs == Costs(slippage=0.002)
    assert list(mine.grid) == ["entry_atr", "exit_atr", "trail_atr"]
    assert mine.grid["entry_atr"] == [0.5]
    assert (mine.grid["exit_atr"], mine.risk, mine.rank_by) == (
        demo.grid["exit_atr"],
        demo.risk,
        demo.rank_by,
    )


def test_another_profile_replaces_the_one_of_the_base(write):
    assert load_config(write("base: demo\ncosts: crypto"), SweepConfig).costs == load_costs("crypto")


def test_inline_profile_may_name_its_base(write):
    mine = load_config(write("base: demo\ncosts: {base: crypto, slippage: 0.002}"), SweepConfig)
    assert mine.costs == msgspec.structs.replace(load_costs("crypto"), slippage=0.002)


def test_bases_may_have_bases_in_other_folders(write):
    write("base: demo\ninitial_cash: 1", "deep/one.yaml")
    write("base: deep/one.yaml\nrank_by: total_return", "two.yaml")
    mine = load_config(write("base: two.yaml\ndelay_s: 0"), SweepConfig)
    assert (mine.initial_cash, mine.rank_by, mine.delay_s) == (1.0, "total_return", 0.0)


def test_profile_path_starts_at_the_file_that_names_it(write):
    write("slippage: 0.003", "deep/dear.yaml")
    write("base: demo\ncosts: dear.yaml", "deep/one.yaml")
    assert load_config(write("base: deep/one.yaml"), SweepConfig).costs.slippage == 0.003


def test_ring_of_bases_is_refused(write):
    write("base: b.yaml", "a.yaml")
    path = write("base: a.yaml", "b.yaml")
    with pytest.raises(ConfigError, match=r"a\.yaml: `base` was 'b\.yaml', which leads back to this file"):
        load_config(path, SweepConfig)


def test_costs_from_whatever_is_at_hand(write):
    costs = load_costs({"base": "us_equity", "slippage": 0.0002})
    assert costs == Costs(slippage=0.0002)
    assert load_costs(costs) is costs
    assert load_costs(write("slippage: 0.0002")) == costs
    assert load_costs(str(write("base: us_equity\nslippage: 0.0002"))) == costs
    assert load_costs({}) == Costs()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"slippage": 5}, "`costs.slippage` was 5, must be a fraction in [0, 0.1]"),
        ({"base": "zero", "slipage": 0.1}, "`costs.slipage` is unknown; did you mean `slippage`?"),
        ({"base": "zer"}, "`costs.base` was 'zer', which is not shipped; did you mean `zero`?"),
        ("zer", "`costs` was 'zer', which is not shipped; did you mean `zero`?"),
        (3, "`costs` was 3, must be a name, a path, a mapping or Costs"),
        (None, "`costs` was None, must be a name, a path, a mapping or Costs"),
    ],
)
def test_costs_that_cannot_be_used(reference, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        load_costs(reference)


@pytest.mark.parametrize(
    ("text", "value"), [("1e-4", 1e-4), ("1E-4", 1e-4), ("+1e-2", 0.01), ("0.05", 0.05), ("0", 0.0)]
)
def test_numbers_read_as_they_look(write, text, value):
    assert load_costs(write(f"slippage: {text}")).slippage == value


def test_yaml_merge_keys_work(write):
    path = write("strategy: s\ngrid:\n  a: &a {start: 0, stop: 1, num: 3}\n  b: {<<: *a, stop: 2}")
    assert load_config(path, SweepConfig).axes() == {"a": [0.0, 0.5, 1.0], "b": [0.0, 1.0, 2.0]}


# ---- JSON


@given(
    st.builds(
        Costs,
        commission_per_share=st.floats(0.0, 1000.0),
        slippage=st.floats(0.0, 0.1),
        impact_participation=st.floats(0.0, 1.0, exclude_min=True),
    )
)
def test_json_comes_back_exactly(costs):
    assert from_json(to_json(costs), Costs) == costs


def test_sweep_survives_json():
    demo = load_config("demo", SweepConfig)
    assert from_json(to_json(demo), SweepConfig) == demo
    assert from_json(to_json(demo), SweepConfig).grid["entry_atr"] == Linspace(start=0.2, stop=1.0, num=9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "settings are no JSON"),
        ("[]", "must be a JSON object"),
        ('{"slippage": 5}', "`slippage` was 5, must be"),
    ],
)
def test_strange_json_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        from_json(text, Costs)
