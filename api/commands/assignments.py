"""Values written as ``name=value`` on the command line."""

from collections.abc import Iterable
from typing import Any

from ...engine.errors import ParameterError

Axis = list[Any] | dict[str, Any]  # values, or {start, stop, num}


def read_number(text: str) -> int | float | str:
    """A number where the text is one, else the text: the name of a choice.

    Examples
    --------
    >>> read_number("20"), read_number("1e-4"), read_number("trend_only")
    (20, 0.0001, 'trend_only')
    """
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip()


def read_assignments(texts: Iterable[str], where: str) -> dict[str, Any]:
    """Values by name, from ``a=1`` and ``a=1,b=2``.

    Raises
    ------
    ParameterError
        If a text is no assignment, or a name comes twice.
    """
    values: dict[str, Any] = {}
    for text in texts:
        for part in text.split(","):
            name, value = _parts(part, where, "name=value")
            _require_new(name, values, where)
            values[name] = read_number(value)
    return values


def read_settings(texts: Iterable[str], where: str) -> dict[str, Any]:
    """Nested settings from ``a.b=value``; a value is YAML, so lists and null can be said.

    Raises
    ------
    ParameterError
        If a text is no assignment, its value is no YAML, or a name comes twice.

    Examples
    --------
    >>> read_settings(["costs.slippage=0.0002", "grid.rsi_low=[20, 25]"], "--set")
    {'costs': {'slippage': 0.0002}, 'grid': {'rsi_low': [20, 25]}}
    """
    settings: dict[str, Any] = {}
    for text in texts:
        key, value = _parts(text, where, "key=value, such as costs.slippage=0.0002")
        *outer, last = key.split(".")
        place = settings
        for name in outer:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise ParameterError(f"`{where}` sets `{key}`, but also `{name}` as a whole; keep one")
        _require_new(last, place, where)
        place[last] = _read_yaml(value, text, where)
    return settings


def read_axes(texts: Iterable[str], where: str) -> dict[str, Axis]:
    """Axes of a grid from ``name=v1,v2`` and ``name=start:stop:num``.

    Raises
    ------
    ParameterError
        If a text is no axis, or a name comes twice.

    Examples
    --------
    >>> read_axes(["rsi_low=20,25", "trail_atr=1.5:4:6"], "--grid")
    {'rsi_low': [20, 25], 'trail_atr': {'start': 1.5, 'stop': 4, 'num': 6}}
    """
    axes: dict[str, Axis] = {}
    for text in texts:
        name, value = _parts(text, where, "name=v1,v2 or name=start:stop:num")
        _require_new(name, axes, where)
        bounds = value.split(":")
        if len(bounds) == 1:
            axes[name] = [read_number(part) for part in value.split(",") if part.strip()]
        elif len(bounds) == 3:
            axes[name] = dict(zip(("start", "stop", "num"), map(read_number, bounds), strict=True))
        else:
            raise ParameterError(f"`{where}` was {text!r}, must be name=v1,v2 or name=start:stop:num")
    return axes


def _parts(text: str, where: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ParameterError(f"`{where}` was {text!r}, must be {form}")
    return name.strip(), value.strip()


def _require_new(name: str, known: dict[str, Any], where: str) -> None:
    if name in known:
        raise ParameterError(f"`{where}` gives `{name}` twice; keep one")


def _read_yaml(value: str, text: str, where: str) -> Any:
    import yaml

    number = read_number(value)  # YAML 1.1 takes 1e-4 for text
    if not isinstance(number, str):
        return number
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "not YAML"
        raise ParameterError(f"`{where}` was {text!r}: {problem}") from None
