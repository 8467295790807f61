"""Clocks for figures that a busy machine cannot spoil much: processor time, and ratios taken in turns."""

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

Clock = Callable[[], float]


def seconds(call: Callable[[], Any], clock: Clock = time.process_time) -> float:
    """Time of one call; by default what this process's threads spent on processors."""
    gc.collect()
    start = clock()
    call()
    return clock() - start


def median_s(call: Callable[[], Any], n_rounds: int, clock: Clock = time.process_time) -> float:
    """Median time of some calls."""
    return statistics.median(seconds(call, clock) for _ in range(n_rounds))


def paired_ratio(
    mine: Callable[[], Any],
    other: Callable[[], Any],
    n_rounds: int,
    clock: Clock = time.process_time,
) -> float:
    """Time of `mine` over time of `other`: the median over rounds in which both take a turn."""
    ratios = []
    for i in range(n_rounds):
        if i % 2:  # whoever goes second finds warmer caches
            theirs = seconds(other, clock)
            ratios.append(seconds(mine, clock) / theirs)
        else:
            ours = seconds(mine, clock)
            ratios.append(ours / seconds(other, clock))
    return statistics.median(ratios)


def calls_within(call: Callable[[], Any], least_s: float) -> int:
    """How many calls fill `least_s` seconds: clocks are coarse."""
    start, n_calls = time.process_time(), 0
    while time.process_time() - start < least_s or not n_calls:
        call()
        n_calls += 1
    return n_calls


def repeated(call: Callable[[], Any], n_calls: int) -> Callable[[], None]:
    """`call`, `n_calls` times."""

    def often() -> None:
        for _ in range(n_calls):
            call()

    return often
