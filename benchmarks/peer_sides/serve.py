"""How one engine answers the driver: a line of JSON in, a line of JSON out, and what the work took.

Standard library and NumPy only: it runs in the environment of whichever engine is measured.
"""

import gc
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_FORGET_PEAK = Path("/proc/self/clear_refs")

Operation = Callable[..., dict[str, Any]]


def serve(operations: dict[str, Operation], hello: dict[str, Any]) -> None:
    """Say hello, then carry out requests ``{"call": name, "save": path, ...arguments}`` until the input ends.

    An answer holds processor and wall time of the operation and the process's peak memory meanwhile; a
    request that failed is answered with ``{"error": text}``. The arrays that the operation returned are saved
    to the path, if there is one, after the clocks have stopped.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not stand between the answers
    _say(answers, hello)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = _measured(operations[request.pop("call")], request)
        except Exception as error:  # the driver names the configuration that failed
            answer = {"error": f"{type(error).__name__}: {error}"[:600]}
        _say(answers, answer)


def _measured(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    save = arguments.pop("save", None)
    gc.collect()
    is_fresh = _forget_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    arrays = operation(**arguments)
    took = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall, "peak_mb": peak_mb()}
    if save:
        import numpy as np

        np.savez(save, **arrays)
    return {**took, "is_peak_fresh": is_fresh}


def _say(stream: Any, message: dict[str, Any]) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def peak_mb() -> float:
    """Peak resident memory of this process.

    Not ``ru_maxrss`` where there is a choice: a child process inherits its parent's there.
    """
    if _STATUS.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
        if found:
            return int(found[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _forget_peak() -> bool:
    """Begin a new peak, where the kernel can (Linux); else the peak is that of the whole process so far."""
    try:
        _FORGET_PEAK.write_text("5")
    except OSError:
        return False
    return True
