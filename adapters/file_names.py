"""What a file's name says about its bars: the symbol and the timeframe, where it says them plainly.

Names such as ``SPY_1d.parquet``, ``lean_SPY_daily_raw.csv`` or ``binance_BTCUSDT_1h_2017_2019.csv`` carry one
word in capitals that can be a symbol. Where there are two (``ETH_BTC``) or none, all candidates are handed
back and nobody guesses.
"""

import re
from typing import NamedTuple

_TIMEFRAME_WORDS = {
    "1m": ("1m", "1min", "1minute", "minute", "min"),
    "5m": ("5m", "5min"),
    "15m": ("15m", "15min"),
    "30m": ("30m", "30min"),
    "1h": ("1h", "60m", "60min", "hour", "hourly", "1hour"),
    "4h": ("4h", "240m", "240min", "4hour"),
    "1d": ("1d", "d", "day", "daily", "1day", "eod"),
}
_TIMEFRAME_OF = {word: timeframe for timeframe, words in _TIMEFRAME_WORDS.items() for word in words}

# Words that describe bars, sources or periods, never an instrument.
# fmt: off
_PLAIN_WORDS = frozenset((
    "adj", "adjusted", "all", "alpaca", "bar", "bars", "binance", "bitfinex", "candles", "close",
    "coinbase", "csv", "data", "equity", "crypto", "export", "ext", "extended", "hist",
    "historical", "history", "intraday", "kraken", "lean", "market", "ohlc", "ohlcv", "parquet",
    "perp", "polygon", "price", "prices", "quote", "raw", "regular", "rth", "session", "spot",
    "stock", "stocks", "test", "trade", "trades", "usa", "us", "utc", "yahoo",
))
# fmt: on
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,14}([.-][A-Z]{1,5})?")
_PERIOD = re.compile(r"\d[\d-]*|[HQ]\d|W\d\d?|\d{4}[HQ]\d")


class NameHints(NamedTuple):
    """What a file name may mean; one entry means that it is plain."""

    symbols: tuple[str, ...]
    timeframes: tuple[str, ...]


def name_hints(stem: str) -> NameHints:
    """Candidates for the symbol and the timeframe in a file name without its ending.

    Examples
    --------
    >>> name_hints("lean_SPY_daily_raw")
    NameHints(symbols=('SPY',), timeframes=('1d',))
    >>> name_hints("ETH_BTC_5m").symbols
    ('ETH', 'BTC', 'ETH/BTC')
    """
    words = [word for word in re.split(r"[_\s]+", stem) if word]
    # BRK.B and BTC-USD are symbols, SPY-1d and spy.daily are two words.
    parts = [
        part for word in words for part in ([word] if _SYMBOL.fullmatch(word) else re.split(r"[-.]+", word))
    ]
    timeframes = tuple(dict.fromkeys(_TIMEFRAME_OF[p.lower()] for p in parts if p.lower() in _TIMEFRAME_OF))
    left = [part for part in parts if part and not _is_plain(part)]
    symbols = tuple(dict.fromkeys(part for part in left if _SYMBOL.fullmatch(part)))
    if not symbols and not any(part.isupper() for part in left):
        symbols = tuple(dict.fromkeys(part.upper() for part in left if _SYMBOL.fullmatch(part.upper())))
    if len(symbols) == 2 and f"{symbols[0]}_{symbols[1]}" in stem:
        symbols = (
            *symbols,
            f"{symbols[0]}/{symbols[1]}",
        )  # a pair, with the slash that file names cannot have
    return NameHints(symbols, timeframes)


def _is_plain(part: str) -> bool:
    """Whether a word is a period, a timeframe or describes the file; D and M alone may be symbols."""
    lower = part.lower()
    if part in ("D", "M"):
        return False
    return bool(_PERIOD.fullmatch(part)) or lower in _TIMEFRAME_OF or lower in _PLAIN_WORDS
