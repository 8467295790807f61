"""The shape of the project: rooms, who may know whom, what is public, what a wheel holds."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import fluxhero

ROOMS = ("kernels", "engine", "store", "adapters", "api", "configs")
ALLOWED_AT_TOP = {
    *("engine", "kernels", "adapters", "api", "store", "configs", "benchmarks", "tests"),
    *(
        "pyproject.toml",
        "README.md",
        "Makefile",
        "LICENSE",
        "MANIFEST.in",
        "py.typed",
        "__init__.py",
        "__main__.py",
    ),
}
# store and adapters know the records of the engine and what checks them, nothing that runs.
ENGINE_RECORDS = {"errors", "records", "sealed", "market", "validation", "timeframe", "checked", "config"}
MAY_IMPORT = {
    "kernels": {"kernels"},
    "engine": {"engine", "kernels"},
    "store": {"store", "engine"},
    "adapters": {"adapters", "engine"},
    "api": {"api", "engine", "kernels", "store", "adapters", "configs"},
    "configs": {"configs"},
}


def sources(root: Path, *rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((root / room).rglob("*.py"))]


def imported(path: Path, root: Path) -> set[tuple[str, ...]]:
    """Modules of ours that a file imports, as parts below the root package."""
    package = path.relative_to(root).parent.parts
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - (node.level - 1)]
            module = tuple(node.module.split(".")) if node.module else ()
            found |= {
                (*base, *module, alias.name) if not module else (*base, *module) for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fluxhero":
            found.add(tuple(node.module.split(".")[1:]))
        elif isinstance(node, ast.Import):
            found |= {
                tuple(alias.name.split(".")[1:])
                for alias in node.names
                if alias.name.split(".")[0] == "fluxhero"
            }
    return {parts for parts in found if parts}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(root: Path, room: str) -> None:
    wrong = []
    for path in sources(root, room):
        for parts in imported(path, root):
            if parts[0] in ROOMS and parts[0] not in MAY_IMPORT[room]:
                wrong.append(f"{path.relative_to(root)} imports {'.'.join(parts)}")
            if (
                room in ("store", "adapters")
                and parts[0] == "engine"
                and not set(parts[1:2]) <= ENGINE_RECORDS
            ):
                wrong.append(f"{path.relative_to(root)} imports {'.'.join(parts)}")
    assert not wrong


def test_no_import_by_a_bare_room_name(root: Path) -> None:
    bare = re.compile(rf"^\s*(from|import) ({'|'.join(ROOMS)})\b", re.MULTILINE)
    assert not [
        path for path in sources(root, *ROOMS, "tests", "benchmarks") if bare.search(path.read_text())
    ]


def test_the_wheel_lists_every_package(root: Path) -> None:
    listed = set(tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {"fluxhero"} | {
        ".".join(("fluxhero", *path.parent.relative_to(root).parts))
        for room in ROOMS
        for path in (root / room).rglob("__init__.py")
    }
    assert listed == found


def test_nothing_else_at_the_top(root: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not tracked:
        pytest.skip("not a git checkout")
    top = {name.split("/")[0] for name in tracked}
    assert not {name for name in top if name not in ALLOWED_AT_TOP and not name.startswith(".")}


def test_every_public_name_can_be_loaded() -> None:
    assert fluxhero.__all__ == ["__version__", *sorted(set(fluxhero.__all__) - {"__version__"})]
    for name in fluxhero.__all__:
        assert getattr(fluxhero, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fluxhero.nothing  # noqa: B018


def test_importing_fluxhero_is_light(root: Path) -> None:
    code = (
        "import sys, fluxhero; heavy = {'numba', 'pandas', 'xarray', 'zarr', 'plotly'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr


def test_no_file_is_a_collection_of_leftovers(root: Path) -> None:
    names = {path.stem for path in sources(root, *ROOMS)}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "nb", "tools"}


def test_no_print_in_the_library(root: Path) -> None:
    printing = re.compile(r"^\s*print\(", re.MULTILINE)
    assert not [path for path in sources(root, *ROOMS) if printing.search(path.read_text())]
