"""Every indicator, by name: what the planner, the audit and the tests go through.

Nothing is listed: what a file in `indicators` defines is found.
"""

import importlib
import pkgutil

from . import indicators
from .indicator import Indicator, IndicatorParam

__all__ = ["INDICATORS", "Indicator", "IndicatorParam"]


def _found() -> dict[str, Indicator]:
    members = [
        member
        for module in pkgutil.iter_modules(indicators.__path__, f"{indicators.__name__}.")
        for member in vars(importlib.import_module(module.name)).values()
        if isinstance(member, Indicator)
    ]
    return {member.name: member for member in sorted(members, key=lambda member: member.name)}


INDICATORS: dict[str, Indicator] = _found()
