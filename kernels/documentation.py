"""The page of all indicators, made from their docstrings: ``make docs`` writes it beside them.

A section per indicator: what it is, its formula, parameters, outputs, warm-up, notes, sources and a picture
over an invented price. Nothing here is written twice; who changes a docstring runs ``make docs`` again.
"""

import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from .history import settling_bars
from .indicator import Indicator, IndicatorParam
from .pictures import picture
from .registry import INDICATORS

FOLDER = Path(__file__).resolve().parent / "indicators"
_RULE = re.compile(r"^-{3,}$")


class Docstring(NamedTuple):
    """A NumPy docstring in parts."""

    summary: str
    sections: dict[str, list[str]]


def parse(text: str) -> Docstring:
    """Split a NumPy docstring at its underlined headings."""
    lines = inspect.cleandoc(text).splitlines()
    sections: dict[str, list[str]] = {"": []}
    current = sections[""]
    for i, line in enumerate(lines):
        if i + 1 < len(lines) and _RULE.match(lines[i + 1]):
            current = sections.setdefault(line, [])
        elif not _RULE.match(line):
            current.append(line)
    summary = " ".join(sections.pop("")).strip()
    return Docstring(summary, sections)


def paragraphs(lines: list[str]) -> list[str]:
    """Text between blank lines, each paragraph on one line."""
    return [" ".join(part.split()) for part in "\n".join(lines).split("\n\n") if part.strip()]


def described(lines: list[str]) -> dict[str, tuple[str, str]]:
    """Entries of a section as {name: (type and unit, description)}; ``a, b : t`` describes both."""
    found: dict[str, tuple[str, str]] = {}
    names: list[str] = []
    for line in lines:
        if line and not line.startswith(" "):
            head, _, kind = line.partition(" : ")
            names = [name.strip() for name in head.split(",")]
            found |= {name: (kind.strip(), "") for name in names}
        elif line.strip():
            for name in names:
                kind, text = found[name]
                found[name] = (kind, f"{text} {line.strip()}".strip())
    return found


def defaults(indicator: Indicator) -> list[float]:
    """Default parameters, whole numbers as int."""
    return [int(param.default) if param.is_int else param.default for param in indicator.params]


def page() -> str:
    """The whole page as Markdown."""
    parts = [
        "# Indicators",
        "",
        "Made from the docstrings by `make docs`; edit those. Each is a function of NumPy arrays, "
        '`fx.indicators.atr(high, low, close, lookback=14)`, and a feature of a strategy, `Feature("atr", '
        "lookback=14)`, on any timeframe and on other features. Both run the same step, bar by bar, so a "
        "history, a part of it and a live bar give the same bits. Position t uses bars up to t only.",
        "",
        "The pictures are drawn over invented 5-minute bars, with default parameters: the close and what has "
        "its unit above, everything else below.",
        "",
    ]
    modules = {indicator.step.__module__ for indicator in INDICATORS.values()}
    by_module: dict[str, list[Indicator]] = {name: [] for name in sorted(modules)}
    for indicator in INDICATORS.values():
        by_module[indicator.step.__module__].append(indicator)
    links = [f"[{name}](#{name})" for name in INDICATORS]
    parts += [", ".join(links) + f". ({len(links)} in all.)", ""]
    for name, members in by_module.items():
        parts += [*_module_heading(importlib.import_module(name)), ""]
        for indicator in members:
            parts += [*section(indicator), ""]
    return "\n".join(parts).rstrip() + "\n"


def _module_heading(module: ModuleType) -> list[str]:
    first = paragraphs(inspect.cleandoc(module.__doc__ or "").splitlines())[0]
    return [f"## {first.split('. ')[0].split(': ')[0].rstrip('.')}"]


def section(indicator: Indicator) -> list[str]:
    """Everything about one indicator."""
    doc = parse(inspect.getdoc(indicator.public) or "")
    entries = described(doc.sections.get("Parameters", []))
    notes = paragraphs(doc.sections.get("Notes", []))
    lines = [f"### {indicator.name}", "", doc.summary, ""]
    if notes and notes[0].startswith("Formula:"):
        lines += [f"**Formula**: {notes.pop(0).removeprefix('Formula:').strip()}", ""]
    lines += [f"Reads {_listed(indicator.inputs)}; gives {_listed(indicator.outputs)}. ", ""]
    lines[-2] += _warmup(indicator)
    if indicator.params:
        lines += ["| parameter | default | allowed | |", "|---|---|---|---|"]
        lines += [_parameter(param, entries) for param in indicator.params]
        lines += [""]
    kind, *meaning = doc.sections.get("Returns", [""])
    lines += [f"Returns: {kind}. {' '.join(paragraphs(meaning))}", ""]
    for note in notes:
        lines += [note, ""]
    for source in paragraphs(doc.sections.get("References", [])):
        lines += [f"Source: {source}", ""]
    return [*lines, f"![{indicator.name}](pictures/{indicator.name}.svg)"]


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _warmup(indicator: Indicator) -> str:
    values = defaults(indicator)
    n, settled = int(indicator.warmup(*values)), settling_bars(indicator, *values)
    words = "Known from the first bar" if n == 0 else f"Warm-up with these defaults: {n} bars"
    if settled is None:
        return f"{words}; it does not forget where its history began."
    if settled <= n:
        return f"{words}."
    return (
        f"{words}; on the bars of the pictures it took {settled} until it no longer mattered to 1e-9 where "
        "the history began. In a market that moves in another way it may take several times as many."
    )


def _parameter(param: IndicatorParam, entries: dict[str, tuple[str, str]]) -> str:
    kind, text = entries.get(param.name, ("", ""))
    unit = ", ".join(part for part in kind.split(", ")[1:] if not re.search(r"[<>=]|^[0-9-]", part))
    allowed = f"{param.low:g} to {param.high:g}{' ' + unit if unit else ''}"
    return f"| `{param.name}` | {param.default:g} | {allowed} | {text} |"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the page and its pictures, and remove pictures of what is gone."""
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    wanted = {pictures / f"{name}.svg": picture(indicator) for name, indicator in INDICATORS.items()}
    wanted[folder / "README.md"] = page()
    for path in pictures.glob("*.svg"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return list(wanted)


if __name__ == "__main__":
    sys.stderr.write(f"{len(write())} files written to {FOLDER}\n")
