"""How every kernel is compiled, and where compiled code is kept.

``kernel`` marks a step: it is inlined into whoever calls it (without ``forceinline`` a step of real size
stays a call and costs seven times as much). ``entry`` marks what Python calls: it is compiled once and
cached on disk. Neither uses ``fastmath`` (NaN means "unknown" here) nor ``parallel`` (threads run blocks of
lanes side by side instead).

Numba notices an edit in a function's own file only, not in the file of something it calls. So the cache
folder carries a digest of every kernel source and of the libraries' versions in its name: an edit anywhere
opens a new folder, undoing it returns to the old one.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
import numpy as np
from numba import njit
from numba.core.registry import CPUDispatcher

F = TypeVar("F", bound=Callable[..., Any])

_HERE = Path(__file__).resolve().parent
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "forceinline": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,  # no kernel allocates; without this Numba counts references to the ring inside loops
}


class _Step(CPUDispatcher):  # type: ignore[misc]
    """A step that says so when Python calls it, instead of crashing the process."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"kernel `{self.py_func.__name__}` is compiled into its callers only; "
            "call an `entry`, or its `.py_func` with NUMBA_DISABLE_JIT=1"
        )


@cache
def sources_digest() -> str:
    """Digest of all kernel sources and of the versions that turn them into machine code."""
    digest = hashlib.sha256()
    for path in sorted(_HERE.rglob("*.py")):
        digest.update(path.relative_to(_HERE).as_posix().encode())
        digest.update(path.read_bytes())
    versions = (numba.__version__, llvmlite.__version__, np.__version__, platform.python_version())
    digest.update("|".join(versions).encode())
    return digest.hexdigest()[:16]


@cache
def cache_root() -> Path:
    """Folder of everything FluxHero may rebuild: ``FLUXHERO_CACHE``, else the user's cache folder."""
    if configured := os.environ.get("FLUXHERO_CACHE"):
        return Path(configured).expanduser().resolve()
    from platformdirs import user_cache_path  # 10 ms that nobody pays who sets the variable

    return user_cache_path("fluxhero", appauthor=False)


@cache
def compiled_folder() -> Path | None:
    """Folder of compiled kernels, or None where nothing can be written (then nothing is cached)."""
    folder = cache_root() / "kernels" / sources_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def kernel(function: F) -> F:
    """Compile a step: inlined into its caller, releases the GIL, divides as NumPy does.

    Python cannot call it: without the wrappers for that a first run compiles a fifth faster.
    """
    compiled = njit(**_OPTIONS, no_cpython_wrapper=True)(function)
    if isinstance(compiled, CPUDispatcher):  # NUMBA_DISABLE_JIT leaves plain functions
        compiled.__class__ = _Step
    return compiled  # type: ignore[no-any-return]


def entry(function: F) -> F:
    """Compile what Python calls; like ``kernel``, and cached on disk between processes."""
    folder = compiled_folder()
    if folder is None:
        return njit(**_OPTIONS)(function)  # type: ignore[no-any-return]
    # Numba picks the folder while the decorator runs; other users of Numba in this process keep their own.
    previous = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        compiled = njit(**_OPTIONS, cache=True)(function)
        if isinstance(compiled, CPUDispatcher):
            _survive_damage(compiled._cache)
        return compiled  # type: ignore[no-any-return]
    except RuntimeError:  # no place to cache: slower starts, same bits
        return njit(**_OPTIONS)(function)  # type: ignore[no-any-return]
    finally:
        numba.config.CACHE_DIR = previous


def _survive_damage(cache: Any) -> None:
    """Let a cached file that cannot be read count as missing: it is compiled again and written anew."""
    load = cache.load_overload

    def load_overload(signature: Any, target: Any) -> Any:
        try:
            return load(signature, target)
        except Exception:  # what a truncated or foreign pickle raises is up to its bytes
            cache.flush()
            return None

    cache.load_overload = load_overload


def is_compiling() -> bool:
    """Whether kernels are compiled in this process (``NUMBA_DISABLE_JIT=1`` runs them as plain Python)."""
    return not bool(numba.config.DISABLE_JIT) and "numba" in sys.modules
