"""YAML files of settings: read strictly, derived from a base, with the file of every value remembered.

A file may say ``base: demo`` (a shipped name) or ``base: ../mine.yaml`` and then holds only what differs:
mappings are merged key by key, everything else replaces, and ``null`` takes a key away. Where the base
names a profile (``costs: us_equity``) a mapping refines it. YAML's traps are refused: a key that stands
twice, a key that is no text; and ``1e-4`` is the number it looks like.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from .checked import Key, SettingError, did_you_mean
from .errors import ConfigError

CONFIGS = Path(__file__).resolve().parent.parent / "configs"

_SUFFIXES = (".yaml", ".yml")
_BASE = "base"


class Document(NamedTuple):
    """Settings as they stand in files; `origins` says which file a key comes from."""

    values: dict[str, Any]
    origins: dict[Key, Path | None]

    def origin(self, key: Key) -> Path | None:
        """The file that a key, or else what it lies in, comes from."""
        for length in range(len(key), -1, -1):
            if key[:length] in self.origins:
                return self.origins[key[:length]]
        return None


def shipped_names(folder: str) -> list[str]:
    """Names of the shipped files in a folder of ``configs``."""
    return sorted(path.stem for path in (CONFIGS / folder).glob("*.yaml"))


def display_name(path: Path | None) -> str:
    """A file as an error names it; the shipped ones from ``configs`` on."""
    if path is None:
        return ""
    if path.is_relative_to(CONFIGS):
        return path.relative_to(CONFIGS.parent).as_posix()
    return str(path)


def find(reference: str | Path, folder: str, key: Key, beside: Path | None = None) -> Path:
    """The file that a shipped name or a path stands for.

    Parameters
    ----------
    reference : str or Path
        "us_equity", or a path: with a suffix, or with a folder in it.
    folder : str
        Folder of ``configs`` that the names belong to.
    key : tuple of str
        Where the reference stands, for the error.
    beside : Path, optional
        The file that holds the reference; a relative path starts in its folder.

    Raises
    ------
    SettingError
        If there is no such file; lists the shipped names.
    """
    path = Path(reference).expanduser()
    names = shipped_names(folder)
    if isinstance(reference, str) and path.name == reference and path.suffix not in _SUFFIXES:
        if reference in names:
            return CONFIGS / folder / f"{reference}.yaml"
        known = f"{did_you_mean(reference, names)}; a path ends in .yaml"
        raise SettingError(key, f"was {reference!r}, which is not shipped; {known}", display_name(beside))
    if beside is not None and not path.is_absolute():
        path = beside.parent / path
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        text = f"was '{reference}', but {path} {what}; shipped are {', '.join(names)}"
        raise SettingError(key, text, display_name(beside))
    return path


def read_document(path: Path, folder: str) -> Document:
    """A file merged onto its base, and that onto its own.

    Raises
    ------
    ConfigError
        If a file is missing, is no YAML mapping, or is its own base.
    """
    return _based(_read(path), folder, path, (path.resolve(),))


def refine(values: Mapping[str, Any], folder: str, beside: Path | None = None) -> Document:
    """Settings that were written inline, merged onto their base if they name one."""
    return _based(Document(dict(values), _origins(values, beside)), folder, beside, ())


def _based(document: Document, folder: str, beside: Path | None, chain: tuple[Path, ...]) -> Document:
    if _BASE not in document.values:
        return document
    reference = document.values[_BASE]
    source = display_name(beside)
    if not isinstance(reference, str):
        raise SettingError((_BASE,), f"was {reference!r}, must be a shipped name or a path", source)
    path = find(reference, folder, (_BASE,), beside)
    if path.resolve() in chain:
        raise SettingError((_BASE,), f"was {reference!r}, which leads back to this file", source)
    base = _based(_read(path), folder, path, (*chain, path.resolve()))
    own = {name: value for name, value in document.values.items() if name != _BASE}
    return Document(_merged(base.values, own), base.origins | document.origins)


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in own.items():
        below = merged.get(name)
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[name] = _merged(below, value)
        elif isinstance(value, Mapping) and isinstance(below, str) and _BASE not in value:
            merged[name] = {_BASE: below, **value}
        else:
            merged[name] = value
    return merged


def _read(path: Path) -> Document:
    import yaml

    name = display_name(path)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())
        origins = _origins(values, path)
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: is not UTF-8 text (byte {error.start})") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{name}{line}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: is not YAML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deeply") from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {type(values).__name__}"
        raise ConfigError(
            f"{name}: holds {found}, must be a mapping of settings (`name: value` on each line)"
        )
    return Document(values, origins)


def _origins(value: Any, path: Path | None, key: Key = ()) -> dict[Key, Path | None]:
    """The file of every key in a value; None for what was written in Python."""
    origins = {key: path}
    if isinstance(value, Mapping):
        for name, item in value.items():
            origins |= _origins(item, path, (*key, str(name)))
    return origins


@cache
def _loader() -> Any:
    """PyYAML's safe loader, stricter about keys and with YAML 1.2's numbers."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[str] = set()
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                name = self.construct_object(key_node, deep=True)
                if not isinstance(name, str):
                    problem = f"the key {key_node.value} reads as {name!r}; put it in quotes"
                elif name in seen:
                    problem = f"the key `{name}` stands twice"
                else:
                    seen.add(name)
                    continue
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    # YAML 1.1 reads 1e-4 as text for want of a point.
    number = re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789"))
    return Loader
