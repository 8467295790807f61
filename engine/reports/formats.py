"""Numbers for people: each kind of figure is written in one way, in the terminal and on the page.

What is unknown (NaN) is a dash. Nothing here computes.
"""

import math
from typing import Any

import numpy as np

UNKNOWN = "–"


def percent(value: float, *, sign: bool = False, digits: int = 2) -> str:
    """A fraction in percent.

    Examples
    --------
    >>> percent(0.1234), percent(0.1234, sign=True), percent(-0.05, digits=0), percent(float("nan"))
    ('12.34%', '+12.34%', '-5%', '–')
    """
    if math.isnan(value):
        return UNKNOWN
    return f"{value * 100.0:{'+' if sign else ''},.{digits}f}%".replace("-0.00%", "0.00%")


def ratio(value: float, digits: int = 2) -> str:
    """A ratio such as Sharpe's.

    Examples
    --------
    >>> ratio(1.4567), ratio(float("inf")), ratio(float("nan"))
    ('1.46', '∞', '–')
    """
    if math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0.0 else "-∞"
    return f"{value:,.{digits}f}"


def amount(value: float, *, sign: bool = False) -> str:
    """An amount of money, with cents only where they matter.

    Examples
    --------
    >>> amount(100_000.0), amount(-12.3456), amount(1234.56, sign=True)
    ('100,000', '-12.35', '+1,235')
    """
    if math.isnan(value):
        return UNKNOWN
    digits = 2 if abs(value) < 1_000.0 else 0
    return f"{value:{'+' if sign else ''},.{digits}f}"


def price(value: float) -> str:
    """A price: cents, or more digits below one.

    Examples
    --------
    >>> price(1234.5), price(0.012345678)
    ('1,234.50', '0.0123457')
    """
    if math.isnan(value):
        return UNKNOWN
    return f"{value:,.2f}" if abs(value) >= 1.0 else f"{value:.6g}"


def quantity(value: float) -> str:
    """Units of an instrument: whole shares, or the digits that a coin has.

    Examples
    --------
    >>> quantity(1200.0), quantity(0.12345678)
    ('1,200', '0.12345678')
    """
    if math.isnan(value):
        return UNKNOWN
    return f"{value:,.0f}" if value == round(value) else f"{value:,.8f}".rstrip("0")


def count(value: float) -> str:
    """How many.

    Examples
    --------
    >>> count(1080)
    '1,080'
    """
    return UNKNOWN if math.isnan(value) else f"{value:,.0f}"


def setting(value: Any) -> str:
    """A parameter's value, as short as it can be told.

    Examples
    --------
    >>> setting(0.30000000000000004), setting(1234567.0), setting("trend_only"), setting(None)
    ('0.3', '1234567', 'trend_only', '–')
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, str | bool):
        return str(value)
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.6g}"


def instant(value: np.datetime64) -> str:
    """A UTC time to the minute.

    Examples
    --------
    >>> instant(np.datetime64("2024-03-05T15:02:00"))
    '2024-03-05 15:02'
    """
    return UNKNOWN if np.isnat(value) else str(value.astype("datetime64[m]")).replace("T", " ")


def day(value: np.datetime64) -> str:
    """A date.

    Examples
    --------
    >>> day(np.datetime64("2024-03-05T15:02:00"))
    '2024-03-05'
    """
    return UNKNOWN if np.isnat(value) else str(value.astype("datetime64[D]"))


def duration(minutes: float) -> str:
    """How long, in the two largest units that say something.

    Examples
    --------
    >>> duration(45), duration(150), duration(4_000)
    ('45m', '2h 30m', '2d 18h')
    """
    if math.isnan(minutes):
        return UNKNOWN
    days, rest = divmod(round(minutes), 1_440)
    hours, left = divmod(rest, 60)
    parts = (days, "d"), (hours, "h"), (left, "m")
    shown = [f"{number}{unit}" for number, unit in parts if number]
    return " ".join(shown[:2]) or "0m"


def plural(n: float, word: str) -> str:
    """A count and its word.

    Examples
    --------
    >>> plural(1, "trade"), plural(1080, "trial")
    ('1 trade', '1,080 trials')
    """
    return f"{count(n)} {word}{'' if n == 1 else 's'}"
