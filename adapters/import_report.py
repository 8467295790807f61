"""What an import found: every refused and every doubtful row, where it stands, and what was kept.

The report is data first (`ImportReport.groups`, one array entry per row) and text second: `ImportReport.text`
shows the first few of each kind and counts the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..engine.errors import DataError
from ..engine.market import IntArray
from ..engine.timeframe import MINUTE_NS
from ..engine.validation import CHECKS

N_LISTED = 20  # impossible rows that an error prints, of each kind in a report
MAX_EXCLUDED = 0.20  # of a file's rows: with more impossible ones it was read or written wrongly
FEW_ROWS = 3  # may always be left out, however short the file
N_EXAMPLES = 3  # doubtful rows of a kind that a report prints

# How a row is described, with what was found ({value}) and what it was held against ({bound}).
_SENTENCES = {
    "wrong_field_count": "has {value} fields, must have {bound}",
    "unreadable_time": "time was {value!r}, must be {allowed}",
    "ambiguous_time": "time was {value!r}, which the zone's clocks skip or repeat; use UTC",
    "unreadable_value": "{column} was {value!r}, must be {allowed}",
    "not_finite": "{column} was {value!r}, must be {allowed}",
    "non_positive_price": "{column} was {value}, must be {allowed}",
    "negative_volume": "{column} was {value}, must be {allowed}",
    "high_below_body": "high was {value}, must be {allowed} = {bound}",
    "low_above_body": "low was {value}, must be {allowed} = {bound}",
    "duplicate_time": "{time} occurs twice, must occur once",
    "unordered_time": "{time} is out of order, must lie between the times of its neighbours",
    "off_grid": "time was {value}, must be {allowed}",
    "lone_first_bar": "the first open was {value}, far from its close {bound} and all that follows",
    "outside_session": "{time} is outside the session",
    "outside_calendar": "{time} is no session",
    "listing_break": "{value} sessions without a bar before {time}; renamed or re-used symbol?",
    "gap": "{value} bars missing before {time}",
    "split_like": "{time} opened at {value} times the close before, near {bound}: a split?",
    "outlier": "{time} moved by {value}",
    "wick": "{time} has a {column} {value} from its body",
    "stale_run": "{value} bars at one price from {time}",
    "zero_volume": "{time} has no volume",
}
_PERCENT = ("outlier", "wick")
_RATIO = ("split_like",)


class Finding(NamedTuple):
    """One row that breaks one rule."""

    kind: str  # a key of engine.validation.CHECKS
    is_impossible: bool
    symbol: str
    file: str
    unit: str  # what `line` counts: "line" of a text (the header is 1), "row" of a Parquet file
    line: int
    time: str  # the row's own stamp in UTC, "" where it could not be read
    column: str
    value: str  # what was found
    allowed: str
    sentence: str  # all of it for a person


@dataclass(frozen=True)
class FindingGroup:
    """All rows of one file that break one rule in one column; arrays and lists have one entry per row."""

    kind: str
    symbol: str
    file: str
    unit: str
    column: str
    lines: IntArray
    ts_ns: IntArray  # the file's own stamps in UTC, -1 where unknown
    is_date: bool  # times are shown as dates
    values: Any  # ndarray, or list of text as the file has it
    bounds: Any

    def __len__(self) -> int:
        return int(self.lines.size)

    @property
    def is_impossible(self) -> bool:
        """Whether the rows cannot be true."""
        return CHECKS[self.kind].is_impossible

    def finding(self, i: int) -> Finding:
        """The group's row `i` in words."""
        check = CHECKS[self.kind]
        time = time_text(int(self.ts_ns[i]), self.is_date)
        value, bound = (_value_text(self.kind, array[i]) for array in (self.values, self.bounds))
        sentence = _SENTENCES[self.kind].format(
            column=self.column, value=value, bound=bound, allowed=check.allowed, time=time or "the time"
        )
        # The row's time leads, unless the sentence itself turns on it.
        when = f" ({time})" if time and "{time}" not in _SENTENCES[self.kind] else ""
        return Finding(
            kind=self.kind,
            is_impossible=check.is_impossible,
            symbol=self.symbol,
            file=self.file,
            unit=self.unit,
            line=int(self.lines[i]),
            time=time,
            column=self.column,
            value=value,
            allowed=check.allowed,
            sentence=f"{self.file} {self.unit} {int(self.lines[i])}{when}: {sentence}",
        )


class FileSummary(NamedTuple):
    """One file that was read."""

    file: str
    symbol: str
    n_rows: int
    n_blank: int  # empty lines, skipped
    ignored: tuple[str, ...]  # columns that are not used


class SeriesSummary(NamedTuple):
    """What was kept of one symbol."""

    symbol: str
    n_rows: int
    n_kept: int
    n_impossible: int  # rows
    n_outside: int  # rows outside the session or the calendar, dropped
    first: str  # close of the first bar kept, "" if none
    last: str
    n_sessions: int
    n_missing: int  # intervals of the calendar between first and last without a bar
    coverage: float  # share of those intervals that have one; NaN if none was kept
    tick_size: float


@dataclass(frozen=True)
class ImportReport:
    """Everything an import has to say; see `text` for people and `to_dict` for programs."""

    timeframe: str
    calendar: str
    session: str
    is_imported: bool  # False: refused, or only validated
    files: tuple[FileSummary, ...]
    skipped: tuple[tuple[str, str], ...]  # files that were left out, and why
    series: tuple[SeriesSummary, ...]
    groups: tuple[FindingGroup, ...]
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings by kind, in the order of CHECKS."""
        counts = dict.fromkeys(CHECKS, 0)
        for group in self.groups:
            counts[group.kind] += len(group)
        return {kind: count for kind, count in counts.items() if count}

    @property
    def n_impossible(self) -> int:
        """Rows that cannot be true, each counted once."""
        return sum(series.n_impossible for series in self.series)

    @property
    def has_impossible(self) -> bool:
        """Whether any row cannot be true."""
        return any(group.is_impossible for group in self.groups)

    @property
    def unusable(self) -> tuple[str, ...]:
        """One sentence for each file with too many impossible rows to leave them out."""
        lines: dict[tuple[str, str], set[int]] = {}
        kinds: dict[tuple[str, str], dict[str, int]] = {}
        for group in self.groups:
            if group.is_impossible:
                key = (group.file, group.symbol)
                lines.setdefault(key, set()).update(group.lines.tolist())
                mine = kinds.setdefault(key, {})
                mine[group.kind] = mine.get(group.kind, 0) + len(group)
        sentences: list[str] = []
        for file in self.files:
            n = len(lines.get((file.file, file.symbol), ()))
            if n > max(MAX_EXCLUDED * file.n_rows, FEW_ROWS):
                counts = kinds[file.file, file.symbol]
                why = ", ".join(f"{CHECKS[kind].title.lower()}: {counts[kind]:,}" for kind in counts)
                sentences.append(f"{file.file}: {n:,} of {file.n_rows:,} rows are impossible ({why})")
        return tuple(sentences)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found at all."""
        return not self.groups

    def findings(self, kind: str | None = None) -> Iterator[Finding]:
        """Every finding, or every one of a kind, by file and line."""
        yield from _in_order([group for group in self.groups if kind is None or group.kind == kind])

    def refusal(self) -> str:
        """The error of a refused import: the impossible rows, the first of them one by one."""
        found = _in_order([group for group in self.groups if group.is_impossible], N_LISTED)
        names = ", ".join(dict.fromkeys(series.symbol for series in self.series if series.n_impossible))
        n = self.n_impossible
        rows = "1 row is impossible" if n == 1 else f"{n:,} rows are impossible"
        lines = [f"{names}: {rows} and nothing was imported:"]
        lines += [f"  {finding.sentence}" for finding in found]
        n_all = sum(len(group) for group in self.groups if group.is_impossible)
        if n_all > len(found):
            lines.append(f"  ... and {n_all - len(found):,} more, in the report")
        lines += [f"Note: {note}" for note in self.notes]
        if unusable := self.unusable:
            lines += unusable
            lines.append(
                f"Mend the file: more than {MAX_EXCLUDED:.0%} of a file are too much to leave out, "
                "--drop-invalid or not."
            )
            return "\n".join(lines)
        lines.append("Mend the file, or exclude these rows with drop_invalid=True (--drop-invalid).")
        return "\n".join(lines)

    def text(self) -> str:
        """The report for a person, plain text of at most some dozens of lines."""
        lines: list[str] = []
        for series in self.series:
            lines += _series_lines(series, self)
        ignored = sorted({name for file in self.files for name in file.ignored})
        if ignored:
            lines.append(f"Columns not used: {', '.join(ignored)}")
        lines += [f"Left out {file}: {why}" for file, why in self.skipped[:N_LISTED]]
        if len(self.skipped) > N_LISTED:
            lines.append(f"Left out {len(self.skipped) - N_LISTED} more files")
        lines += [f"Note: {note}" for note in self.notes]
        for is_impossible, title in ((True, "Impossible rows"), (False, "Worth a look")):
            kinds = [kind for kind in self.counts if CHECKS[kind].is_impossible == is_impossible]
            if kinds:
                lines += ["", f"{title}:"]
            for kind in kinds:
                lines += self._kind_lines(kind)
        if self.is_clean:
            lines += ["", "Nothing to complain about."]
        return "\n".join(lines)

    def to_dict(self, n_examples: int = N_LISTED) -> dict[str, Any]:
        """The report as plain values that JSON can hold; at most `n_examples` rows of a kind."""
        findings = {
            kind: {
                "count": count,
                "is_impossible": CHECKS[kind].is_impossible,
                "title": CHECKS[kind].title,
                "examples": [finding._asdict() for finding in self._first(kind, n_examples)],
            }
            for kind, count in self.counts.items()
        }
        series = [entry._asdict() for entry in self.series]
        for entry in series:
            entry["coverage"] = None if np.isnan(entry["coverage"]) else entry["coverage"]
        return {
            "timeframe": self.timeframe,
            "calendar": self.calendar,
            "session": self.session,
            "is_imported": self.is_imported,
            "n_impossible": self.n_impossible,
            "files": [{**entry._asdict(), "ignored": list(entry.ignored)} for entry in self.files],
            "skipped": [{"file": file, "why": why} for file, why in self.skipped],
            "series": series,
            "findings": findings,
            "notes": list(self.notes),
        }

    def _first(self, kind: str, limit: int) -> list[Finding]:
        return _in_order([group for group in self.groups if group.kind == kind], limit)

    def _kind_lines(self, kind: str) -> list[str]:
        limit = N_LISTED if CHECKS[kind].is_impossible else N_EXAMPLES
        count = self.counts[kind]
        dropped = "; dropped" if kind.startswith("outside") else ""
        lines = [f"  {CHECKS[kind].title}: {count:,}{dropped}"]
        lines += [f"    {finding.sentence}" for finding in self._first(kind, limit)]
        if count > limit:
            lines.append(f"    ... and {count - limit:,} more")
        return lines


class ImportRefusedError(DataError):
    """An import with impossible rows; ``report`` lists them all."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__(report.refusal())
        self.report = report


def time_text(ts_ns: int, is_date: bool) -> str:
    """A time for a person, "" where it is unknown."""
    if ts_ns < 0:
        return ""
    stamp = np.datetime64(ts_ns, "ns")
    if is_date:
        return str(stamp.astype("datetime64[D]"))
    unit = "datetime64[m]" if ts_ns % MINUTE_NS == 0 else "datetime64[s]"
    return str(stamp.astype(unit)).replace("T", " ") + " UTC"


def _in_order(groups: list[FindingGroup], limit: int | None = None) -> list[Finding]:
    """Findings of some groups by file and line, the first `limit` of them."""
    # The lines of a group ascend, so no more than `limit` of any group can be among the first.
    places = [
        (group.file, int(line), g, i)
        for g, group in enumerate(groups)
        for i, line in enumerate(group.lines[:limit])
    ]
    return [groups[g].finding(i) for _, _, g, i in sorted(places)[:limit]]


def _series_lines(series: SeriesSummary, report: ImportReport) -> list[str]:
    files = [file for file in report.files if file.symbol == series.symbol]
    names = ", ".join(file.file for file in files[:3]) + (
        f" and {len(files) - 3} more" if len(files) > 3 else ""
    )
    verb = "Imported" if report.is_imported else "Checked"
    lines = [f"{verb} {series.symbol} {report.timeframe} from {names}"]
    n_blank = sum(file.n_blank for file in files)
    blank = f" ({n_blank:,} empty lines skipped)" if n_blank else ""
    bars = f"  {series.n_rows:,} rows{blank}, {series.n_kept:,} bars kept"
    if series.n_impossible:
        rows = "row" if series.n_impossible == 1 else "rows"
        bars += f", {series.n_impossible:,} impossible {rows} {'excluded' if report.is_imported else 'found'}"
    if series.n_outside:
        bars += f", {series.n_outside:,} outside the session dropped"
    lines.append(bars)
    if series.n_kept:
        lines.append(
            f"  {series.first} to {series.last}, {series.n_sessions:,} sessions of {report.calendar}, "
            f"{_percent(series.coverage)} of the bars between ({series.n_missing:,} missing), "
            f"tick {series.tick_size:g}"
        )
    return lines


def _percent(share: float) -> str:
    """A share as a percentage that says 100 % only if nothing lacks."""
    rounded = f"{100.0 * share:.2f}"
    return "99.99 %" if rounded == "100.00" and share < 1.0 else f"{rounded.rstrip('0').rstrip('.')} %"


def _value_text(kind: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    number = float(value)
    if kind in _PERCENT:
        return f"{100.0 * number:+.1f} %"
    if kind in _RATIO:
        return f"{number:.4g}"
    return f"{number:.12g}"
