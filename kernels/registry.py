"""Every indicator, by name: what the planner, the audit and the tests go through."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from .indicator import Indicator, IndicatorParam
from .indicators import FILE_OF
from .indicators import __name__ as _package

__all__ = ["INDICATORS", "Indicator", "IndicatorParam"]


class _Registry(Mapping[str, Indicator]):
    """A mapping that reads an indicator's file when it is asked for: a run needs a few of them."""

    def __getitem__(self, name: str) -> Indicator:
        return _find(name)

    def __contains__(self, name: object) -> bool:
        return name in FILE_OF

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(FILE_OF))

    def __len__(self) -> int:
        return len(FILE_OF)


@cache
def _find(name: str) -> Indicator:
    members = vars(import_module(f"{_package}.{FILE_OF[name]}")).values()
    return next(member for member in members if isinstance(member, Indicator) and member.name == name)


INDICATORS: Mapping[str, Indicator] = _Registry()
