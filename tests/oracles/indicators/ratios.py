"""One series over another."""

import numpy as np

from fluxhero.kernels.types import FloatArray

from .facts import Facts, Outputs, Series


def ratio_oracle(x: Series, y: Series) -> Outputs:
    return ([above / below if below else 0.0 for above, below in zip(x, y, strict=True)],)


def distance_oracle(x: Series, y: Series) -> Outputs:
    return ([(above - below) / abs(below) if below else 0.0 for above, below in zip(x, y, strict=True)],)


def example_x(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.round(rng.normal(0.0, 5.0, n_bars), 1)


def example_y(rng: np.random.Generator, n_bars: int) -> FloatArray:
    return np.round(rng.normal(1.0, 2.0, n_bars), 0)  # some are 0


SERIES = {"x": example_x, "y": example_y}
FACTS = {
    "ratio": Facts(ratio_oracle, [()], series=SERIES),
    "distance": Facts(distance_oracle, [()], flat={"distance": 0.0}, series=SERIES, crosses_zero=True),
}
