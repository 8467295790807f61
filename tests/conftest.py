"""What all tests share: a cache of compiled code, small markets, and no way out of this machine."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before FluxHero is imported. The cache is keyed by content, so that it may outlive a run.
_ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("FLUXHERO_CACHE", str(_ROOT / ".pytest_cache" / "fluxhero"))

import pytest  # noqa: E402
import xarray as xr  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile(
    "fluxhero",
    deadline=None,  # the first example may compile
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=int(os.environ.get("FLUXHERO_FUZZ", "25")),
)
settings.load_profile("fluxhero")

_LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to anywhere but this machine."""

    def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(_LOOPBACK):
                raise AssertionError(f"a test tried to reach {address!r}; tests talk to loopback only")
            return original(self, address)

        return connect

    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return _ROOT


@pytest.fixture(scope="session")
def tracked(root: Path) -> list[Path]:
    """Files that git would hand out, relative to the checkout; tests of them are skipped elsewhere."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    if not listed:
        pytest.skip("not a git checkout")
    return [Path(name) for name in listed if (root / name).is_file()]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real market data; tests that need it are skipped where there is none."""
    folder = os.environ.get("FLUXHERO_DATA")
    if not folder:
        pytest.skip("FLUXHERO_DATA is not set: no real market data here")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"FLUXHERO_DATA names {folder}, which is no folder")
    return path


@pytest.fixture(scope="session")
def small_market() -> xr.Dataset:
    """Three generated symbols, 45 sessions of minutes."""
    from fluxhero.adapters.sample_market import sample_market

    return sample_market(n_symbols=3, sessions=45, seed=11)


@pytest.fixture(scope="module")
def one_loop_for_all() -> Iterator[None]:
    """Compile a rule once for all settings: what many settings cost is compiling."""
    from fluxhero.engine import abilities

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(abilities, "EVERYTHING", True)
        yield


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, for subprocesses."""
    monkeypatch.setenv("FLUXHERO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
