"""From the start of a process to its first result. Nobody warms these: each owns its cache folder.

To reach: 100 trials within 10 s from an empty cache and 1.5 s from a warm one, then 5 and 1; help in 0.2 s.
"""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import fluxhero as fx
from fluxhero.kernels.decorator import cache_root

from .markets import minute_market
from .processes import Finished, run_python

FIRST_RESULT = """
import json, sys
import fluxhero as fx
market = fx.read_market(sys.argv[1])
cube = fx.sweep(sys.argv[2], market, grid=json.loads(sys.argv[3]))
best = float(cube["sharpe_ratio"].max())
"""


class FirstResult:
    """A market is read from disk and 100 trials are swept over a year of minutes, deciding every hour."""

    unit = "s"
    timeout = 1_800
    n_bars, n_rounds = 98_280, 3
    strategy = "dual_mode"
    warm_cache: Path | None = None  # one of its own; a test lends its own, compiled already
    grid: ClassVar[dict[str, list[float]]] = {
        "entry_atr": fx.linspace(0.1, 1.0, 10),
        "trail_atr": fx.linspace(1.0, 4.0, 10),
    }
    tiny: ClassVar[dict[str, Any]] = {
        "n_bars": 500,
        "n_rounds": 1,
        "strategy": str(Path(__file__).resolve().parent / "strategies" / "sma_cross.py"),
        "grid": {"fast": [5, 10], "slow": [20]},
        "warm_cache": cache_root(),
    }

    def setup(self) -> None:
        """Write the market; make a folder for caches."""
        self.folder = tempfile.TemporaryDirectory(prefix="fluxhero-start-")
        self.market = Path(self.folder.name) / "market.zarr"
        fx.write_market(minute_market(self.n_bars), self.market)

    def teardown(self) -> None:
        """Remove both."""
        self.folder.cleanup()

    def start(self, cache: Path) -> Finished:
        """One process."""
        return run_python(
            ["-c", FIRST_RESULT, self.market, self.strategy, json.dumps(self.grid)], cache=cache
        )

    def track_empty_cache(self) -> float:
        """Wall time when nothing was ever compiled."""
        caches = (Path(self.folder.name) / f"empty{i}" for i in range(self.n_rounds))
        return statistics.median(self.start(cache).wall_s for cache in caches)

    def track_warm_cache(self) -> float:
        """Wall time when another process has compiled everything before."""
        cache = self.warm_cache or Path(self.folder.name) / "warm"
        self.start(cache)
        return statistics.median(self.start(cache).wall_s for _ in range(2 * self.n_rounds - 1))


class Help:
    """`fluxhero --help` answers before anything heavy is imported."""

    unit = "s"
    n_rounds = 5
    tiny: ClassVar[dict[str, Any]] = {"n_rounds": 1}

    def track_help(self) -> float:
        """Wall time of the whole process."""
        return statistics.median(
            run_python(["-m", "fluxhero", "--help"]).wall_s for _ in range(self.n_rounds)
        )

    def track_import(self) -> float:
        """Wall time of a process that imports the package and stops."""
        return statistics.median(run_python(["-c", "import fluxhero"]).wall_s for _ in range(self.n_rounds))
