"""How many processors this process may use."""

import os


def n_processors() -> int:
    """Processors that the scheduler grants: in a container or under `taskset` fewer than exist."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
