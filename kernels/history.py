"""How much history an indicator needs before it no longer matters where that history began.

A window forgets at once, an exponential mean slowly, a cumulative sum never. Measured, not derived: the same
bars are run from two starts and compared.
"""

import numpy as np

from .indicator import Indicator
from .pictures import example_inputs
from .types import FloatArray

N_BARS, STARTS = 12_000, (3_001, 4_096)  # of invented bars, and where the shorter histories begin


def settling_bars(indicator: Indicator, *params: float, tolerance: float = 1e-9) -> int | None:
    """Bars after which a later start gives the same values.

    Parameters
    ----------
    indicator : Indicator
    *params : float
        In the order of its parameters; whole numbers as int.
    tolerance : float
        Of the largest value of an output.

    Returns
    -------
    int or None
        The most that any output needed from any start; None if some never agreed (it never forgets, or
        remembers longer than the invented bars last).
    """
    inputs = example_inputs(indicator, N_BARS)
    whole = _run(indicator, inputs, params)
    needed = 0
    for start in STARTS:
        later = _run(indicator, [series[start:].copy() for series in inputs], params)
        for full, part in zip(whole[:, start:], later):
            scale = float(np.nanmax(np.abs(full))) if np.isfinite(full).any() else 0.0
            is_known = np.isfinite(full) & np.isfinite(part)
            gap = np.zeros(full.size)
            gap[is_known] = np.abs(full[is_known] - part[is_known])
            differs = (np.isnan(full) != np.isnan(part)) | (gap > tolerance * scale)
            if differs[-full.size // 10 :].any():
                return None
            last = np.flatnonzero(differs)
            needed = max(needed, int(last[-1]) + 1 if last.size else 0)
    return needed


def _run(indicator: Indicator, inputs: list[FloatArray], params: tuple[float, ...]) -> FloatArray:
    outputs = np.empty((len(indicator.outputs), inputs[0].size))
    indicator.run(*inputs, *params, indicator.init(*params), *outputs)
    return outputs
