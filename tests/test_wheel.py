"""The wheel, built and used in an environment that has never seen the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

USE = """
import fluxhero as fx
market = fx.sample_market(n_symbols=1, sessions=12)
cube = fx.sweep("dual_mode", market, grid={"entry_atr": [0.3, 0.5]}, decision_timeframe="15m")
run = fx.replay(cube, market, entry_atr=0.5)
assert float(run.metrics["final_equity"][0]) == float(cube["final_equity"].sel(entry_atr=0.5)[0])
import importlib.util
assert "site-packages" in fx.__file__, fx.__file__
assert importlib.util.find_spec("engine") is None
"""


@pytest.fixture(scope="module")
def wheel(root: Path, tracked: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # A copy of what git would hand out: a build must not depend on leftovers of the checkout, nor leave any.
    copy = folder / "checkout"
    copy.mkdir()
    for name in tracked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((root / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "fluxhero/py.typed" in names
    assert "fluxhero/configs/demo.yaml" in names
    assert "fluxhero/engine/strategies/dual_mode.py" in names
    folders = {name.split("/")[1] for name in names if name.startswith("fluxhero/") and name.count("/") > 1}
    assert folders == {"adapters", "api", "configs", "engine", "kernels", "store"}
    assert all(name.startswith(("fluxhero/", "fluxhero-")) for name in names)


def test_the_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # Libraries are installed already: only the wheel is new, and the checkout is not on the path.
    library = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    zipfile.ZipFile(wheel).extractall(library)
    import numpy

    Path(library, "libraries.pth").write_text(str(Path(numpy.__file__).parents[1]) + "\n")
    done = subprocess.run(
        [str(python), "-S", "-c", _SITE.format(library=library) + USE],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]


# The libraries' folder without its .pth files: one of them may point at the checkout.
_SITE = """
import sys
sys.path.insert(0, {library!r})
sys.path += [line.strip() for line in open({library!r} + "/libraries.pth")]
"""
