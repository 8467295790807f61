import subprocess
import sys

import pytest

from fluxhero import store


@pytest.mark.parametrize("name", store.__all__)
def test_every_public_name_loads(name):
    assert getattr(store, name) is not None


def test_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'Leger'"):
        _ = store.Leger


def test_ledger_needs_none_of_the_slow_libraries():
    code = (
        "import sys; from fluxhero.store import Experiments, Ledger; "
        "print([name for name in ('pandas', 'xarray', 'zarr', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
