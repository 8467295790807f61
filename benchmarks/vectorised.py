"""What LLVM says of the loops over lanes: the share of them that it turned into vector code.

Its remarks are the only proof: packed instructions alone can come from a small loop beside. A loop that
copies swept features has an indexed load, which has no vector form, and does not count.
"""

import tempfile
from pathlib import Path
from typing import Any, ClassVar

from fluxhero.engine.codegen import module_text
from fluxhero.engine.layout import Layout, Variant
from fluxhero.engine.strategy import load_strategy
from fluxhero.kernels.decorator import is_compiling

from .processes import run_python

STRATEGIES = {
    "dual_mode": "dual_mode",
    "sma_cross": str(Path(__file__).resolve().parent / "strategies" / "sma_cross.py"),
}
N_LANES = 64

PROGRAM = """
import sys
import llvmlite.binding as llvm
llvm.set_option("", "--pass-remarks=loop-vectorize")
from fluxhero.engine.compile import compile_strategy
from fluxhero.engine.layout import Variant
from fluxhero.engine.strategy import load_strategy
compile_strategy(load_strategy(sys.argv[1]), Variant(int(sys.argv[2])))
"""


class LaneLoops:
    """Compiled from an empty cache, because LLVM says nothing of what it does not compile."""

    params: ClassVar[list[Any]] = [list(STRATEGIES)]
    param_names: ClassVar[list[str]] = ["strategy"]
    unit = "share"
    timeout = 900
    tiny: ClassVar[dict[str, Any]] = {}
    tiny_params = ("sma_cross",)

    def setup(self, strategy: str) -> None:
        """Nothing to ask where nothing is compiled."""
        if not is_compiling():
            raise NotImplementedError("kernels run as plain Python here")

    def track_share(self, strategy: str) -> float:
        """Share of the loops over lanes that are vectorised; 1 is all of them."""
        loaded = load_strategy(STRATEGIES[strategy])
        text = module_text(Layout(N_LANES, tuple(loaded.params), loaded.read_features), Variant(N_LANES))
        n_loops = text.count(f"for k in range({N_LANES}):") - len(loaded.read_features)
        with tempfile.TemporaryDirectory() as cache:
            told = run_python(["-c", PROGRAM, STRATEGIES[strategy], str(N_LANES)], cache=Path(cache)).stderr
        return told.count("vectorized loop") / n_loops
