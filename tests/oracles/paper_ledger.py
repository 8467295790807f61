"""Paper runs in a ledger: begin one, run its command, read all that it left."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fluxhero.api.paper import PaperReplay, open_replay
from fluxhero.tests.oracles.paper_cases import BUSY, PaperCase

TABLES = ("orders", "fills", "trades", "positions", "decisions", "equity", "checkpoints")

Content = dict[str, list[tuple[Any, ...]]]


@contextmanager
def opened(case: PaperCase, ledger: Path, **more: Any) -> Iterator[PaperReplay]:
    """The run of a case."""
    with open_replay(case.market(), ledger, strategy=case.loaded(), **case.conditions(), **more) as replay:
        yield replay


def finished(case: PaperCase, ledger: Path, **more: Any) -> Content:
    """What a case leaves in its ledger, when nobody disturbs it."""
    with opened(case, ledger, **more) as replay:
        assert replay.run()
    return dump(ledger)


def dump(ledger: Path) -> Content:
    """All that a run left in its ledger, but its number and the time of its making."""
    connection = sqlite3.connect(ledger)
    try:
        content = {}
        for table in TABLES:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            columns = ", ".join(f'"{name}"' for name in names if name not in ("seq", "run_id"))
            order = "seq" if "seq" in names else "symbol, ts_ns" if "symbol" in names else "ts_ns"
            content[table] = connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()
        return content
    finally:
        connection.close()


def paper_command(market: Path, ledger: Path, *more: str) -> list[str]:
    """Words of ``fluxhero paper`` for the rule and the conditions of `BUSY`."""
    words = [
        sys.executable,
        "-m",
        "fluxhero",
        "paper",
        "--replay",
        "--data",
        str(market),
        "--ledger",
        str(ledger),
    ]
    words += ["--strategy", str(BUSY.loaded().path), "--params", "stop=0.004,target=0.002"]
    return [*words, "--decision-timeframe", "15m", "--delay-s", "300", *more]


@contextmanager
def started(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """A runner whose first row is near; killed in the end, if it still runs."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith(("beginning", "taking up")) or "complete already" in line:
                break
        else:
            raise AssertionError(f"the runner ended before its first row: {said}")
        try:
            yield process
        finally:
            process.kill()
