"""Whole processes, measured from outside: start-up and peak memory are properties of a process."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Not `ru_maxrss` where there is a choice: a child inherits its parent's peak there.
PEAK_PROGRAM = """
import re, resource, sys
from pathlib import Path
status = Path("/proc/self/status")
found = re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text()) if status.exists() else None
unit = 1024 * 1024 if sys.platform == "darwin" else 1024
peak_mb = int(found[1]) / 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
sys.stdout.write(f"peak_mb={peak_mb}\\n")
"""


@dataclass(frozen=True)
class Finished:
    """A process that is over."""

    wall_s: float
    cpu_s: float  # of all its threads, and of its children that it waited for
    stdout: str
    stderr: str

    @property
    def peak_mb(self) -> float:
        """Peak resident memory, as `PEAK_PROGRAM` at the program's end told it."""
        found = re.search(r"peak_mb=([\d.]+)", self.stdout)
        if not found:
            raise ValueError(f"the process did not tell its peak memory: {self.stdout!r}")
        return float(found[1])


def run_python(
    arguments: Sequence[str | Path], *, cache: Path | None = None, env: Mapping[str, str] | None = None
) -> Finished:
    """Run this interpreter and wait for it.

    Parameters
    ----------
    arguments : sequence
        What follows ``python`` on the command line.
    cache : path, optional
        ``FLUXHERO_CACHE`` of the process; by default that of this one.
    env : mapping, optional
        Further variables.

    Raises
    ------
    RuntimeError
        If it fails; the message is what it wrote.
    """
    variables = dict(os.environ) | dict(env or {})
    if cache is not None:
        variables["FLUXHERO_CACHE"] = str(cache)
    with tempfile.TemporaryDirectory() as folder:  # the checkout's own folders must not be importable
        before, started = os.times(), time.perf_counter()
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=variables,
            cwd=folder,
            check=False,
        )
        wall_s, after = time.perf_counter() - started, os.times()
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} ended with code {done.returncode}: {done.stderr[-2000:]}")
    spent = (after.children_user + after.children_system) - (before.children_user + before.children_system)
    return Finished(wall_s, spent, done.stdout, done.stderr)
