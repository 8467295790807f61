"""Cubes, the ledger and the experiments on disk. Every name is loaded when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .experiments import Experiment, Experiments
    from .ledger import Ledger
    from .ledger_schema import Checkpoint, Run
    from .lock import LockedError
    from .market import read_market, write_market
    from .results import read_result, write_result
    from .transaction import ORDER_TRANSITIONS, Transaction

__all__ = [
    "ORDER_TRANSITIONS",
    "Checkpoint",
    "Experiment",
    "Experiments",
    "Ledger",
    "LockedError",
    "Run",
    "Transaction",
    "read_market",
    "read_result",
    "write_market",
    "write_result",
]

_MODULES = {
    "Checkpoint": "ledger_schema",
    "Experiment": "experiments",
    "Experiments": "experiments",
    "Ledger": "ledger",
    "LockedError": "lock",
    "ORDER_TRANSITIONS": "transaction",
    "Run": "ledger_schema",
    "Transaction": "transaction",
    "read_market": "market",
    "read_result": "results",
    "write_market": "market",
    "write_result": "results",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
