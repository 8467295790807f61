"""The store: markets and results to disk and back, a bar's transaction in the ledger, bars from a file."""

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import fluxhero as fx
from fluxhero.engine.records import Fill, Order, Trade
from fluxhero.store.ledger import Ledger

from .markets import coin_market, minute_market
from .sweep import random_trials


class _InFolder:
    """Benchmarks that write."""

    def setup(self) -> None:
        """Make a folder."""
        self.temporary = tempfile.TemporaryDirectory(prefix="fluxhero-store-")
        self.folder = Path(self.temporary.name)
        self.prepare()

    def teardown(self) -> None:
        """Remove it."""
        self.temporary.cleanup()

    def prepare(self) -> None:
        """Write what is read."""
        raise NotImplementedError


class Market(_InFolder):
    """A year of minute bars of eight symbols."""

    n_bars, n_symbols = 98_280, 8
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 500, "n_symbols": 2}

    def prepare(self) -> None:
        """Write it once."""
        self.market = minute_market(self.n_bars, self.n_symbols)
        self.path = self.folder / "market.zarr"
        self.time_write()

    def time_write(self) -> None:
        """Write all."""
        fx.write_market(self.market, self.path, overwrite=True)

    def time_read(self) -> None:
        """Read all."""
        fx.read_market(self.path)

    def time_read_one_symbol(self) -> None:
        """Read one symbol."""
        fx.read_market(self.path, symbols=[str(self.market["symbol"].values[-1])])


class Result(_InFolder):
    """A cube of many trials, eleven metrics each."""

    n_trials = 50_000
    tiny: ClassVar[dict[str, Any]] = {"n_trials": 5}

    def prepare(self) -> None:
        """Sweep a few bars: the size of a cube does not depend on them."""
        self.cube = fx.sweep("dual_mode", coin_market(100, "4h"), trials=random_trials(self.n_trials))
        self.path = self.folder / "result.zarr"
        self.time_write()

    def time_write(self) -> None:
        """Write it."""
        fx.write_result(self.cube, self.path, overwrite=True)

    def time_read(self) -> None:
        """Read it."""
        fx.read_result(self.path)


class Trades(_InFolder):
    """A round trip in the ledger, durable when the block ends (to reach: 5 ms)."""

    tiny: ClassVar[dict[str, Any]] = {}

    def prepare(self) -> None:
        """Open a run."""
        self.ledger = Ledger(self.folder / "ledger.db")
        self.ledger.open_run("bench", strategy="dual_mode", mode="backtest", created_ns=0)
        self.n_written = 0

    def teardown(self) -> None:
        """Close it."""
        self.ledger.close()
        super().teardown()

    def time_write_trade(self) -> None:
        """Order, fill and trade in one transaction."""
        self.n_written += 1
        now, name = 60_000_000_000 * self.n_written, f"order-{self.n_written}"
        nan = float("nan")
        with self.ledger.transaction() as bar:
            bar.record_order(Order(name, "ALFA", -1, 10.0, "market", now, "exit", nan, nan))
            bar.record_fill(Fill(name, "ALFA", now, -1, 10.0, 101.0, 0.1, "market", "exit"))
            bar.record_trade(Trade("ALFA", 0, now, 10.0, 100.0, 101.0, 9.8, 0.2, 1, "entry", "exit"))


class BarFile(_InFolder):
    """500 bars from a Parquet file, checked and placed on the calendar (to reach: 50 ms)."""

    n_bars = 500
    tiny: ClassVar[dict[str, Any]] = {"n_bars": 50}

    def prepare(self) -> None:
        """Write the file."""
        market = coin_market(self.n_bars, "4h").isel(symbol=0)
        frame = market[["open", "high", "low", "close", "volume"]].to_dataframe()
        self.path = self.folder / "COIN0_4h.parquet"
        columns = ["open", "high", "low", "close", "volume"]
        frame[columns].reset_index().to_parquet(self.path)
        self.time_import()

    def time_import(self) -> None:
        """Import it."""
        fx.import_bars(
            self.path, symbol="COIN0", timeframe="4h", stamp="end", asset_class="crypto", timezone="UTC"
        )
