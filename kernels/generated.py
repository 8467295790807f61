"""Modules whose text is written by us: kept as files, so that Numba can cache what they compile.

A generated text cannot import what only its writer holds (a step, a user's rule). It asks for it by its own
module name: ``given(__name__)``.
"""

import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from .decorator import cache_root

_GIVEN: dict[str, Any] = {}
_OWN_FOLDER = tempfile.TemporaryDirectory(prefix="fluxhero-")  # where nothing can be cached; gone at the end
_LOADING = threading.RLock()  # a second thread must not find half a module


@cache
def generated_folder(kind: str) -> Path:
    """Folder of generated modules of a kind; one of this process alone where the cache cannot be written."""
    folder = cache_root() / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(_OWN_FOLDER.name)


def given(module_name: str) -> Any:
    """What a generated module was written for."""
    return _GIVEN[module_name]


def load_generated(
    name: str, kind: str, text: str, what: Callable[[], Any], *, warm_up: bool = False
) -> ModuleType:
    """Write (or find) the module `name` with this text, and import it; ``given(name)`` is ``what()`` for it.

    The name must contain a digest of all that the machine code depends on. With `warm_up` its function of
    that name is called before anybody else sees the module.
    """
    with _LOADING:
        if name in sys.modules:
            return sys.modules[name]
        path = generated_folder(kind) / f"{name}.py"
        if not path.is_file() or path.read_text() != text:
            # Written beside and renamed: another process never reads half a module.
            beside = path.with_suffix(f".{os.getpid()}.tmp")
            path.parent.mkdir(parents=True, exist_ok=True)  # somebody may have deleted the cache meanwhile
            beside.write_text(text)
            os.replace(beside, path)
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path}: the generated module cannot be loaded; delete the cache folder")
        _GIVEN[name] = what()
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
            if warm_up:
                module.warm_up()
        except BaseException:
            del sys.modules[name], _GIVEN[name]
            raise
        return module
