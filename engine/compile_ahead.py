"""A second process that compiles a strategy's indicators while this one compiles its loop.

Compilation is the longest part of a first run, and Numba does one at a time in a process. Both processes
leave their machine code in the same cache. Whether the second one succeeds decides about time only: what it
leaves undone is compiled where it is called.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..kernels.decorator import is_compiling
from ..kernels.warm_up import SHARED, cold
from ..kernels.warm_up import __name__ as _module
from .processors import n_processors
from .strategy import Feature, Series, Strategy

_LIMIT_S = 60.0  # nobody waits longer; compiling here then takes as long as it takes


@contextmanager
def compiling_indicators(strategy: Strategy) -> Iterator[None]:
    """Compile in the background until the block is left, which waits; an error in the block does not."""
    process = _start(cold([*sorted(_indicators(strategy)), SHARED]))
    try:
        yield
        if process is not None:
            process.wait(_LIMIT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process is not None:
            process.kill()
            process.wait()


def _start(names: list[str]) -> "subprocess.Popen[bytes] | None":
    if not names or not is_compiling() or n_processors() < 2 or not sys.executable:
        return None
    program = f"import sys; sys.path[:] = {sys.path!r}; from {_module} import warm_up; warm_up({names!r})"
    try:
        return subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:  # a place where no process may be started
        return None


def _indicators(strategy: Strategy) -> set[str]:
    """Names of the indicators that the rule's features need."""

    def of(feature: Feature | Series) -> set[str]:
        if isinstance(feature, Series):
            return set()
        inner = (strategy.features.get(x) if isinstance(x, str) else x for x in feature.sources)
        return {feature.indicator}.union(*(of(x) for x in inner if x is not None))

    return set().union(*(of(strategy.features[name]) for name in strategy.read_features))
