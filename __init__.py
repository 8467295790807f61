"""FluxHero: an array-first backtest and execution engine.

``import fluxhero as fx`` is fast: every public name is loaded when it is first used.

>>> import fluxhero as fx
>>> market = fx.sample_market(n_symbols=2, sessions=30)
>>> cube = fx.sweep("dual_mode", market, grid={"entry_atr": [0.3, 0.5]}, decision_timeframe="1h")
>>> run = fx.replay(cube, market, entry_atr=0.5)
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Costs": ".engine.config",
    "Feature": ".engine.strategy",
    "FluxHeroError": ".engine.errors",
    "ML_FEATURES": ".engine.ml_features",
    "Param": ".engine.strategy",
    "Progress": ".engine.sweep",
    "Risk": ".engine.config",
    "Run": ".engine.run",
    "Series": ".engine.strategy",
    "Stream": ".engine.stream",
    "Varying": ".engine.strategy",
    "adjust": ".adapters.corporate_actions",
    "backtest": ".engine.backtest",
    "check": ".engine.audit:check_strategy",
    "feature_cube": ".engine.feature_cube",
    "from_arrays": ".engine.market",
    "import_bars": ".adapters.bar_files",
    "indicators": ".kernels.functions",
    "linspace": ".engine.config",
    "portfolio": ".engine.portfolio",
    "read_actions": ".adapters.corporate_actions",
    "read_lean_factors": ".adapters.corporate_actions",
    "read_market": ".store.market",
    "read_result": ".store.results",
    "replay": ".engine.backtest",
    "risk_report": ".engine.risk_report",
    "risk_rules": ".engine.risk_rules",
    "sample_market": ".adapters.sample_market",
    "sweep": ".engine.sweep",
    "validate_deployment": ".engine.deployment_check",
    "with_series": ".engine.series",
    "write_market": ".store.market",
    "write_report": ".engine.reports.html",
    "write_result": ".store.results",
}
_MODULES = frozenset({"indicators", "portfolio"})

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'fluxhero' has no attribute {name!r}")
    module_name, _, attribute = _PUBLIC[name].partition(":")
    module = import_module(module_name, __name__)
    value = module if name in _MODULES else getattr(module, attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
