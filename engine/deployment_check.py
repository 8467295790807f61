"""Whether a strategy may trade: checks of its run before paper or real money (SPEC 5.7).

Each check has a verdict. FAIL means no, WARN means look at it, and the whole is the worst of all. A run on a
generated market fails: what is made up says nothing about a market.

Sizes and exposure are judged when an entry is sized, as the limits do; what prices make of it later is told
as a warning, since no limit sells a winner.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..kernels.intent import Intent, unprotected
from .account_history import DRAWDOWN_HALT, Halt, RunHistory, run_history
from .audit import AuditReport
from .config import Risk, from_json, load_risk
from .errors import FluxHeroError
from .fingerprint import mentions
from .run import Run
from .strategy import load_strategy

Verdict = Literal["PASS", "WARN", "FAIL"]

MAX_POSITION = 0.40  # of capital
WIDE_STOP = 0.01  # of price, where the profile has no limit of its own
MAX_CORRELATION = 0.7
MIN_TRADES = 30
MIN_COMMON_SESSIONS = 20
REDUCE, HALT = 0.15, 0.20  # drawdown, where the profile has no limits
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    value: float  # NaN: none or unknown
    limit: float  # NaN: none
    text: str  # one sentence
    unit: str = "share"  # of value and limit: share, count or multiple

    def to_dict(self) -> dict[str, Any]:
        """The check for programs; what is unknown is None."""
        found = dict(vars(self))
        for name in ("value", "limit"):
            found[name] = None if np.isnan(found[name]) else float(found[name])
        return found


@dataclass(frozen=True)
class DeploymentReport:
    """What was found."""

    strategy: str
    symbols: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all checks."""
        found = {check.verdict for check in self.checks}
        return "FAIL" if "FAIL" in found else "WARN" if "WARN" in found else "PASS"

    @property
    def ok(self) -> bool:
        """Whether nothing forbids trading."""
        return self.verdict != "FAIL"

    def to_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "strategy": self.strategy,
            "symbols": list(self.symbols),
            "verdict": self.verdict,
            "ok": self.ok,
            "checks": [check.to_dict() for check in self.checks],
        }

    def text(self) -> str:
        """The report for people."""
        lines = [f"{self.strategy} on {', '.join(self.symbols)}"]
        lines += [f"  {check.verdict}  {check.name}: {check.text}" for check in self.checks]
        return "\n".join([*lines, f"  {self.verdict}"])


@dataclass(frozen=True)
class _Case:
    run: Run
    history: RunHistory
    risk: Risk
    entries: pd.DataFrame  # orders to enter, with `price`, `share`, `deployed` when sized


def validate_deployment(
    run: Run,
    risk: Risk | str | Path | Mapping[str, Any] | None = None,
    others: Sequence[Run] = (),
    *,
    audit: AuditReport | None = None,
    live: bool = True,
) -> DeploymentReport:
    """Judge a run against the limits under which its strategy shall trade.

    Parameters
    ----------
    run : Run
    risk : Risk, str, path or mapping, optional
        The profile that it shall trade under; default: the one that it ran under.
    others : sequence of Run, optional
        Strategies that trade or shall trade beside it.
    audit : AuditReport, optional
        What `fx.check` found.
    live : bool
        For real money: a rule that waives its stop fails. For paper it is only warned of.

    Returns
    -------
    DeploymentReport
    """
    profile = from_json(run.attrs["risk"], Risk) if risk is None else load_risk(risk)
    history = run_history(run, profile)
    case = _Case(run, history, profile, _sized_entries(run, history))
    checks = [
        _data(run),
        *([] if audit is None else [_look_ahead(audit)]),
        _position_size(case),
        _stop_distance(case),
        _protection(case, live),
        _exposure(case),
        _drawdown(case),
        _halts(case),
        _trade_count(case),
        _trade_frequency(case),
        *_correlation(run, others),
    ]
    symbols = tuple(str(symbol) for symbol in run.market["symbol"].values)
    return DeploymentReport(run.strategy, symbols, tuple(checks))


def _percent(share: float) -> str:
    return f"{share * 100.0:.4g}%"


def _times(n: int, word: str, words: str = "") -> str:
    return f"{n} {word if n == 1 else words or word + 's'}"


def _when(time: Any) -> str:
    return str(np.datetime64(time, "m")).replace("T", " ")


def _sized_entries(run: Run, history: RunHistory) -> pd.DataFrame:
    """Orders to enter, each beside the close and the equity that sized it."""
    table = run.orders[run.orders["client_order_id"].str.endswith(("-enter", "-weight"))].copy()
    rows = np.searchsorted(history.time, table["time"].to_numpy())
    columns = np.array([history.symbols.index(name) for name in table["symbol"]], dtype=np.int64)
    owner = {i: account for account in history.accounts for i in account.members}
    held = np.abs(np.where(history.qty == 0.0, 0.0, history.qty * history.price))
    price = history.price[columns, rows]
    # A pair of an empty list of columns and rows is fine: there are no entries then.
    pairs = list(zip(columns.tolist(), rows.tolist(), strict=True))
    equity = np.array([owner[i].equity[row] for i, row in pairs], dtype=np.float64)
    before = np.array([held[list(owner[i].members), row].sum() for i, row in pairs], dtype=np.float64)
    value = table["qty"].to_numpy(dtype=np.float64) * price
    table["price"], table["row"] = price, rows
    table["account"] = [owner[i].name for i, _ in pairs]
    # Entries of one moment share an account's room: the last one served has the others before it.
    together = pd.Series(value, index=table.index).groupby([table["account"], table["row"]]).transform("sum")
    with np.errstate(divide="ignore", invalid="ignore"):
        table["share"] = value / equity
        table["deployed"] = (before + together.to_numpy(dtype=np.float64)) / equity
    return table


def _data(run: Run) -> Check:
    generated = bool(run.market.attrs.get("generated", 0))
    n_sessions = float(np.unique(run.market["session"].values).size)
    if generated:
        text = "The market is generated; how a rule does on invented bars says nothing about a real market."
        return Check("data", "FAIL", n_sessions, np.nan, text, "count")
    source = run.market.attrs.get("source") or "of unknown source"
    text = f"The market is not generated: {_times(int(n_sessions), 'session')}, {source}."
    return Check("data", "PASS", n_sessions, np.nan, text, "count")


def _look_ahead(audit: AuditReport) -> Check:
    n = float(len(audit.findings))
    if audit.ok:
        text = f"The audit found no look-ahead in {_times(audit.n_decisions, 'decision')}."
        return Check("look-ahead", "PASS", n, 0.0, text, "count")
    found = audit.findings[0].text() if audit.findings else "the audit saw no decision, so it knows nothing"
    return Check("look-ahead", "FAIL", n, 0.0, f"The rule is not free of look-ahead: {found}.", "count")


def _position_size(case: _Case) -> Check:
    limit = min(MAX_POSITION, case.risk.max_position)
    value = _largest(case.entries["share"])
    if value > limit + _ROUNDING:
        worst = case.entries.loc[case.entries["share"].idxmax()]
        text = (
            f"The entry of {worst['symbol']} at {_when(worst['time'])} was {_percent(value)} of capital, "
            f"more than {_percent(limit)}."
        )
        return Check("position size", "FAIL", value, limit, text)
    grown, where = _grown(case, "each")
    if grown > limit + _ROUNDING:
        text = f"No entry was larger, but prices carried {where} to {_percent(grown)} of capital."
        return Check("position size", "WARN", grown, limit, text)
    return Check(
        "position size", "PASS", value, limit, f"No position was above {_percent(limit)} of capital."
    )


def _stop_distance(case: _Case) -> Check:
    entries, limit = case.entries, case.risk.max_stop
    value = _largest(entries["stop_distance"] / entries["price"])
    if limit is not None and value > limit + _ROUNDING:
        text = (
            f"A stop was {_percent(value)} of the price away, further than the profile's {_percent(limit)}."
        )
        return Check("stop distance", "FAIL", value, limit, text)
    if limit is None and value > WIDE_STOP + _ROUNDING:
        text = (
            f"A stop was {_percent(value)} of the price away; the profile has no limit, and "
            f"{_percent(WIDE_STOP)} is usual."
        )
        return Check("stop distance", "WARN", value, WIDE_STOP, text)
    shown = WIDE_STOP if limit is None else limit
    return Check("stop distance", "PASS", value, shown, f"No stop was further than {_percent(shown)} away.")


def _protection(case: _Case, live: bool) -> Check:
    verdict: Verdict = "FAIL" if live else "WARN"
    n_bare = int(case.entries["stop_distance"].isna().sum())
    if n_bare:
        text = f"{_times(n_bare, 'entry', 'entries')} had no protective stop."
        return Check("stops", verdict, float(n_bare), 0.0, text, "count")
    if _waives(case.run):
        text = "The rule says `unprotected`: it may enter without a stop, though here it did not."
        return Check("stops", verdict, 0.0, 0.0, text, "count")
    return Check("stops", "PASS", 0.0, 0.0, "Every entry had a protective stop.", "count")


def _waives(run: Run) -> bool:
    """Whether the rule has the word; a file that has gone since cannot be asked."""
    try:
        strategy = load_strategy(run.attrs.get("strategy_path") or run.strategy)
    except FluxHeroError:
        return False
    return mentions(strategy.decide, {"unprotected": unprotected, "Intent": Intent})


def _exposure(case: _Case) -> Check:
    limit = min(1.0, case.risk.max_deployed)
    value = _largest(case.entries["deployed"])
    if value > limit + _ROUNDING:
        worst = case.entries.loc[case.entries["deployed"].idxmax()]
        text = (
            f"With the entry of {worst['symbol']} at {_when(worst['time'])}, positions were "
            f"{_percent(value)} of capital, more than {_percent(limit)}."
        )
        return Check("exposure", "FAIL", value, limit, text)
    grown, where = _grown(case, "all")
    if grown > 1.0 + _ROUNDING:
        text = f"Positions of {where} came to {_percent(grown)} of capital, more than there was."
        return Check("exposure", "FAIL", grown, 1.0, text)
    if grown > limit + _ROUNDING:
        text = f"No entry went further, but prices carried the positions of {where} to {_percent(grown)}."
        return Check("exposure", "WARN", grown, limit, text)
    text = f"All positions were at most {_percent(limit)} of capital."
    return Check("exposure", "PASS", max(value, grown), limit, text)


def _grown(case: _Case, what: Literal["each", "all"]) -> tuple[float, str]:
    """Largest share of equity at any close, and whose it was."""
    history, largest, where = case.history, 0.0, ""
    held = np.abs(np.where(history.qty == 0.0, 0.0, history.qty * history.price))
    for account in history.accounts:
        values = held[list(account.members)]
        alive = account.equity > 0.0
        total = values if what == "each" else values.sum(axis=0, keepdims=True)
        # What is held with no equity left is more than any share.
        shares = np.where(total > 0.0, np.inf, 0.0)
        np.divide(total, account.equity, out=shares, where=np.broadcast_to(alive, total.shape))
        top = float(shares.max(initial=0.0))
        if top > largest:
            i = int(np.unravel_index(int(shares.argmax()), shares.shape)[0])
            largest = top
            where = history.symbols[account.members[i]] if what == "each" else account.name
    return largest, where


def _drawdown(case: _Case) -> Check:
    reduce = REDUCE if case.risk.drawdown_reduce is None else case.risk.drawdown_reduce
    halt = HALT if case.risk.drawdown_halt is None else case.risk.drawdown_halt
    reduce = min(reduce, halt)
    worst = min(case.history.accounts, key=lambda account: float(account.worst_drawdown[-1]))
    value = -float(worst.worst_drawdown[-1])
    when = _when(case.history.time[int(worst.worst_drawdown.argmin())])
    told = f"The deepest fall was {_percent(value)} below the peak"
    if value >= halt:
        text = f"{told}, at {when} ({worst.name}); {_percent(halt)} ends trading."
        return Check("drawdown", "FAIL", value, halt, text)
    if value >= reduce:
        text = f"{told}, at {when} ({worst.name}); from {_percent(reduce)} on it is serious."
        return Check("drawdown", "WARN", value, reduce, text)
    return Check("drawdown", "PASS", value, reduce, f"{told}.")


def _halts(case: _Case) -> Check:
    halts: list[Halt] = [halt for account in case.history.accounts for halt in account.halts]
    n = float(len(halts))
    if not halts:
        return Check("halts", "PASS", n, 0.0, "No loss stopped trading.", "count")
    n_fallen = sum(halt.reason == DRAWDOWN_HALT for halt in halts)
    text = (
        f"Losses stopped trading {_times(len(halts), 'time')}, "
        f"{_times(len(halts) - n_fallen, 'time')} for the day and {_times(n_fallen, 'time')} for a drawdown, "
        f"first at {_when(min(halt.start for halt in halts))}."
    )
    return Check("halts", "WARN", n, 0.0, text, "count")


def _trade_count(case: _Case) -> Check:
    n = len(case.run.trades)
    if n < MIN_TRADES:
        text = f"{_times(n, 'finished trade')}: too few to know anything, {MIN_TRADES} are the least."
        return Check("trades", "WARN", float(n), float(MIN_TRADES), text, "count")
    return Check("trades", "PASS", float(n), float(MIN_TRADES), f"{_times(n, 'finished trade')}.", "count")


def _trade_frequency(case: _Case) -> Check:
    sessions = case.run.market["session"].values[case.entries["row"].to_numpy(dtype=np.int64)]
    counts = case.entries.groupby(["symbol", sessions]).size()
    value, limit = float(counts.max()) if len(counts) else 0.0, case.risk.max_trades
    if limit is None:
        most = _times(int(value), "entry", "entries")
        text = f"At most {most} in a session and symbol; the profile has no limit."
        return Check("trade frequency", "PASS", value, np.nan, text, "count")
    if value > limit:
        symbol, session = counts.idxmax()
        text = f"{int(value)} entries of {symbol} on {pd.Timestamp(session):%Y-%m-%d}, more than {limit}."
        return Check("trade frequency", "FAIL", value, float(limit), text, "count")
    text = f"Never more than {limit} entries in a session and symbol."
    return Check("trade frequency", "PASS", value, float(limit), text, "count")


def _correlation(run: Run, others: Sequence[Run]) -> Iterator[Check]:
    """A check per other strategy."""
    mine = session_returns(run)
    for other in others:
        both = pd.concat([mine, session_returns(other)], axis=1, join="inner", ignore_index=True)
        name = f"correlation with {other.strategy}"
        spread = both.std() if len(both) else pd.Series([0.0, 0.0])
        if len(both) < MIN_COMMON_SESSIONS or not (spread > 0.0).all():
            text = (
                f"It is not known: {_times(len(both), 'common session')}, and returns must move in at least "
                f"{MIN_COMMON_SESSIONS} of them."
            )
            yield Check(name, "WARN", np.nan, MAX_CORRELATION, text, "multiple")
            continue
        value = float(np.corrcoef(both[0], both[1])[0, 1])
        if value > MAX_CORRELATION:
            text = f"Their session returns correlate at {value:.2f}: two names for much the same bet."
            yield Check(name, "WARN", value, MAX_CORRELATION, text, "multiple")
        else:
            text = f"Their session returns correlate at {value:.2f}."
            yield Check(name, "PASS", value, MAX_CORRELATION, text, "multiple")


def session_returns(run: Run) -> pd.Series:
    """Return of all the run's money per session, by the session's label; 0 where there was none left."""
    equity = np.atleast_2d(run.equity.values).sum(axis=0)
    ends = pd.Series(equity).groupby(run.market["session"].values).last()
    start = run.initial_cash * (1 if run.equity.ndim == 1 else run.equity.sizes["symbol"])
    before = np.r_[start, ends.to_numpy()[:-1]]
    values = np.where(before > 0.0, ends.to_numpy() / np.where(before > 0.0, before, 1.0) - 1.0, 0.0)
    return pd.Series(values, index=ends.index)


def _largest(values: pd.Series) -> float:
    return float(values.max()) if values.notna().any() else 0.0
