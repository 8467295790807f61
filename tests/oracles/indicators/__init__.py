"""Every indicator in plain Python: ``FACTS[name]``, collected from the files beside this one."""

import importlib
import math
import pkgutil
from collections.abc import Callable, Sequence

from .facts import NAN, Facts, Outputs, Series

FACTS: dict[str, Facts] = {}
for _module in pkgutil.iter_modules(__path__):
    FACTS |= getattr(importlib.import_module(f"{__name__}.{_module.name}"), "FACTS", {})


def with_gaps(oracle: Callable[..., Outputs], inputs: Sequence[Series], params: Sequence[float]) -> Outputs:
    """Outputs where a bar with an unknown input is unknown, and as if it had never been for the others."""
    known = [
        t for t, bar in enumerate(zip(*inputs, strict=True)) if all(math.isfinite(value) for value in bar)
    ]
    compact = oracle(*[[series[t] for t in known] for series in inputs], *params)
    outputs = tuple([NAN] * len(inputs[0]) for _ in compact)
    for output, values in zip(outputs, compact, strict=True):
        for t, value in zip(known, values, strict=True):
            output[t] = value
    return outputs
