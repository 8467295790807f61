"""Compiles what a run calls beside its own loop, by calls over no time, and notes what it has compiled."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .clock import N_COUNTERS, VOLUME_BARS, clock_run
from .decorator import compiled_folder
from .registry import INDICATORS
from .resample import N_COARSE_COUNTERS, resample_run

SHARED = "shared"  # stands for the clock and the resampler


def warm_up(names: Iterable[str]) -> None:
    """Compile, or fetch from the cache, what a run will call for these names."""
    for name in names:
        if name == SHARED:
            _warm_up_shared()
        else:
            none = np.zeros((0, 1), dtype=np.int64)
            INDICATORS[name].rows(np.zeros((1, 0)), none, none, np.zeros((0, 1)), np.zeros((0, 1)))
        note = _note(name)
        if note is not None:
            note.touch()


def cold(names: Iterable[str]) -> list[str]:
    """Those of `names` that nobody has compiled yet; none where nothing can be kept."""
    return [name for name in names if (note := _note(name)) is not None and not note.exists()]


def _note(name: str) -> Path | None:
    folder = compiled_folder()
    return None if folder is None else folder / f"{name}.compiled"


def _warm_up_shared() -> None:
    whole, line, table = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros((0, 5))
    counters, volumes = np.zeros(N_COUNTERS, dtype=np.int64), np.zeros(VOLUME_BARS)
    clock_run(whole, whole, table, whole, 0, 0, counters, volumes, whole, line)
    coarse, when = np.zeros(N_COARSE_COUNTERS, dtype=np.int64), np.zeros((1, 3), dtype=np.int64)
    resample_run(whole, whole, table, 0, coarse, np.zeros(5), when, np.zeros((1, 5)))
