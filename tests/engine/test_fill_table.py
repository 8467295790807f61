"""The table of fills in ``kernels/README.md``, row by row: long as written, and short as its mirror image.

Every row is run through the oracle and through the engine, without slippage and with it. With slippage the
distances of stop and target are chosen so that the levels stay where the row has them.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

import fluxhero as fx
from fluxhero.tests.oracles.coarse_bars import Row
from fluxhero.tests.oracles.event_loop import Costs, Execution, Risk, run_event_loop
from fluxhero.tests.oracles.markets import market_of, rows_of_prices
from fluxhero.tests.oracles.small_rules import Scripted

pytestmark = pytest.mark.usefixtures("one_loop_for_all")

ROOT = Path(__file__).resolve().parents[2]
RULE = ROOT / "tests" / "data" / "strategies" / "scripted.py"
COLUMNS = "| before | order | settings | bars | fills | pays |"
SLIPPAGE = 1.0 / 64.0  # prices of the table times this are exact
MIRROR = 200.0  # what a price and its mirror image add up to
SEND, LEAVE, QUIET = 777.0, 888.0, 1.0
CASH = 100_000.0
# Ten units of a price of 100; nothing else limits or earns.
TEN_UNITS = Risk(1.0, 1.0, sizing="fraction", fraction=0.01)
FLAT = (100.0, 100.0, 100.0, 100.0)

Prices = tuple[float, float, float, float]


@dataclass(frozen=True)
class Filled:
    """One fill of a row; `price` before slippage."""

    side: int
    price: float
    pays: str  # yes, no, capped


@dataclass(frozen=True)
class Example:
    """A row of the table; distances and levels are None where there is none."""

    text: str
    side: int  # of the position, or of the entry
    is_held: bool  # before the row's bars
    leaves: bool
    limit: float | None
    trigger: float | None
    stop: float | None  # held: the level; else the distance
    target: float | None
    trailing: float | None
    settings: dict[str, str | int]
    bars: tuple[Prices, ...]
    fills: tuple[tuple[Filled, ...], ...]  # per bar

    def mirrored(self) -> "Example":
        """The same for shorts."""

        def flip(price: float | None) -> float | None:
            return None if price is None else MIRROR - price

        return replace(
            self,
            text=f"short: {self.text}",
            side=-self.side,
            limit=flip(self.limit),
            trigger=flip(self.trigger),
            stop=flip(self.stop) if self.is_held else self.stop,
            target=flip(self.target) if self.is_held else self.target,
            bars=tuple((MIRROR - o, MIRROR - lo, MIRROR - hi, MIRROR - c) for o, hi, lo, c in self.bars),
            fills=tuple(
                tuple(Filled(-fill.side, MIRROR - fill.price, fill.pays) for fill in bar)
                for bar in self.fills
            ),
        )

    def params(self, slippage: float) -> dict[str, float]:
        """What the scripted rule must send so that stop and target lie where the row has them."""
        if self.is_held:
            bought = 100.0 * (1.0 + self.side * slippage)
            stop = 0.0 if self.stop is None else abs(bought - self.stop)
            target = 0.0 if self.target is None else abs(bought - self.target)
            return {"side": self.side, "stop": stop, "target": target}
        entry = next((fill for bar in self.fills for fill in bar), None)
        paid = entry.price * slippage if entry is not None and entry.pays == "yes" else 0.0
        return {
            "side": self.side,
            "limit": self.limit or 0.0,
            "trigger": self.trigger or 0.0,
            "stop": 0.0 if self.stop is None else self.stop + paid,
            "target": 0.0 if self.target is None else self.target - paid,
            "trailing": self.trailing or 0.0,
        }

    def rows(self) -> list[Row]:
        """The market: flat at 100, then the row's bars."""
        before = [(*FLAT, SEND)]
        if self.is_held:
            before.append((*FLAT, LEAVE if self.leaves else QUIET))
        return rows_of_prices([*before, *((*prices, QUIET) for prices in self.bars)])

    def expected(self, slippage: float) -> list[tuple[int, int, float, float]]:
        """(bar, side, quantity, price) of every fill; an entry before the row's bars is bar -1."""
        held = [(-1, self.side, 10.0, 100.0 * (1.0 + self.side * slippage))] if self.is_held else []
        return held + [
            (i, fill.side, 10.0, self._price(fill, slippage))
            for i, bar in enumerate(self.fills)
            for fill in bar
        ]

    def _price(self, fill: Filled, slippage: float) -> float:
        if fill.pays == "no":
            return fill.price
        price = fill.price * (1.0 + fill.side * slippage)
        if fill.pays == "capped":
            assert self.limit is not None
            return min(price, self.limit) if fill.side > 0 else max(price, self.limit)
        return price


def _examples() -> list[Example]:
    lines = (ROOT / "kernels" / "README.md").read_text().splitlines()
    start = lines.index(COLUMNS) + 2
    stop = next(i for i in range(start, len(lines)) if not lines[i].startswith("|"))
    return [_example(line) for line in lines[start:stop]]


def _example(line: str) -> Example:
    before, order, settings, bars, fills, pays = (cell.strip() for cell in line.strip("|").split("|"))
    held, wanted = before.split(), order.split()
    named = _numbers_after(held if held[0] == "long" else wanted)
    is_entry = held == ["flat"]
    kind, first = (wanted[0], wanted[1:2]) if wanted else ("", [])
    assert held[0] in ("flat", "long"), line
    assert is_entry == (first == ["buy"]), line
    prices = _leading_numbers(wanted[2:])
    return Example(
        text=f"{before}, {order}, {settings}, {bars}",
        side=1,
        is_held=not is_entry,
        leaves=wanted == ["market", "sell"],
        limit=prices[-1] if kind in ("limit", "stop-limit") else None,
        trigger=prices[0] if kind in ("stop", "stop-limit") else None,
        stop=named.get("stop"),
        target=named.get("target"),
        trailing=named.get("trail"),
        settings=dict(_setting(item) for item in settings.split()),
        bars=tuple(_prices(bar) for bar in bars.split("/")),
        fills=_fills(fills, pays, len(bars.split("/"))),
    )


def _numbers_after(words: Sequence[str]) -> dict[str, float]:
    """Words that a number follows at the end of a cell: ``stop 5 target 10``."""
    pairs = itertools.pairwise(words)
    return {word: float(number) for word, number in pairs if word.isalpha() and _is_number(number)}


def _leading_numbers(words: Sequence[str]) -> list[float]:
    numbers = []
    for word in words:
        if not _is_number(word):
            break
        numbers.append(float(word))
    return numbers


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdigit()


def _setting(item: str) -> tuple[str, str | int]:
    name, value = item.split("=")
    return name, int(value) if value.isdigit() else value


def _prices(bar: str) -> Prices:
    opened, high, low, closed = (float(price) for price in bar.split())
    return opened, high, low, closed


def _fills(fills: str, pays: str, n_bars: int) -> tuple[tuple[Filled, ...], ...]:
    """Fills per bar; one word for all fills, or a word for each."""
    bars = [[item for item in bar.split(",") if item.strip() != "-"] for bar in fills.split("/")]
    words = [word for word in pays.replace("/", ",").replace(" ", "").split(",") if word != "-"]
    n_fills = sum(len(bar) for bar in bars)
    assert len(bars) in (1, n_bars), (fills, n_bars)
    assert len(words) in (1, n_fills), (fills, pays)
    word = iter(words if len(words) == n_fills else words * n_fills)
    return tuple(tuple(_fill(item, next(word)) for item in bar) for bar in bars)


def _fill(item: str, pays: str) -> Filled:
    side, price = item.split()
    return Filled({"buy": 1, "sell": -1}[side], float(price), pays)


EXAMPLES = [side for example in _examples() for side in (example, example.mirrored())]


def by_oracle(example: Example, slippage: float) -> list[tuple[int, int, float, float]]:
    """Fills of an example: (bar, side, quantity, price)."""
    rows = example.rows()
    defaults = dict.fromkeys(("limit", "trigger", "stop", "target", "trailing", "day"), 0.0)
    result = run_event_loop(
        rows,
        Scripted(defaults | {"risk": 0.01} | example.params(slippage)),
        timeframe="1h",
        decision_timeframe="1h",
        costs=Costs(slippage=slippage),
        risk=TEN_UNITS,
        initial_cash=CASH,
        execution=Execution(**example.settings),
    )
    return _relative(example, rows, [(f.ts_ns, f.side, f.qty, f.price) for f in result.fills])


def by_engine(example: Example, slippage: float) -> list[tuple[int, int, float, float]]:
    """Fills of an example: (bar, side, quantity, price)."""
    rows = example.rows()
    run = fx.backtest(
        RULE,
        market_of([rows], timeframe="1h", calendar="24/7", lot_size=1.0),
        params=example.params(slippage),
        costs={"base": "zero", "slippage": slippage},
        risk={"base": "none", "sizing": "fraction", "fraction": 0.01},
        execution=dict(example.settings),
        initial_cash=CASH,
    )
    found = run.fills
    times = found["time"].astype("datetime64[ns]").astype("int64")
    fills = zip(times, found["side"], found["qty"], found["price"], strict=True)
    return _relative(example, rows, [(int(t), int(s), float(q), float(p)) for t, s, q, p in fills])


def _relative(
    example: Example, rows: Sequence[Row], fills: Sequence[tuple[int, int, float, float]]
) -> list[tuple[int, int, float, float]]:
    """The same with bars counted from the row's first."""
    first = len(rows) - len(example.bars)
    bar_idx = {row.ts_ns: i - first for i, row in enumerate(rows)}
    return [(bar_idx[ts_ns], side, qty, price) for ts_ns, side, qty, price in fills]


Runner = Callable[[Example, float], list[tuple[int, int, float, float]]]


@pytest.mark.parametrize("slippage", [0.0, SLIPPAGE], ids=["free", "slipping"])
@pytest.mark.parametrize("run", [by_oracle, by_engine])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.text)
def test_row_of_the_table_of_fills(example: Example, run: Runner, slippage: float) -> None:
    found, expected = run(example, slippage), example.expected(slippage)
    assert [fill[:3] for fill in found] == [fill[:3] for fill in expected]
    assert [fill[3] for fill in found] == pytest.approx([fill[3] for fill in expected], rel=1e-12)


def test_the_table_names_every_setting_that_moves_a_fill() -> None:
    named = {name for example in EXAMPLES for name in example.settings}
    assert named <= set(asdict(Execution()))
    assert named == {"timing", "intrabar", "limit_fill", "limit_gap", "delay_bars"}
