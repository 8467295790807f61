import json
import os

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from fluxhero.engine.errors import StoreError
from fluxhero.store import cube as store_cube
from fluxhero.store import read_result, write_market, write_result

DTYPES = ("f8", "f4", "i8", "i4", "i2", "u8", "u1", "?")
TIMES = ("M8[ns]", "M8[us]", "M8[ms]", "M8[s]")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
attrs = st.dictionaries(
    st.sampled_from(["strategy", "costs", "initial_cash", "n_trials", "created", "axes"]),
    texts | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.lists(texts | st.integers()),
)


@st.composite
def cubes(draw):
    """Any result cube: every dtype and every bit pattern, grids and trials, with and without coordinates."""
    dims = draw(st.sampled_from([("symbol", "entry_atr", "mode"), ("symbol", "trial"), ("fold",), ()]))
    shape = tuple(draw(st.integers(1, 4)) for _ in dims)
    names = draw(
        st.lists(st.sampled_from(["sharpe_ratio", "n_trades", "a", "close"]), min_size=1, unique=True)
    )
    variables = {
        name: (dims, draw(st_numpy.arrays(draw(st.sampled_from(DTYPES + TIMES)), shape))) for name in names
    }
    coords = {}
    for dim, size in zip(dims, shape, strict=True):
        kind = draw(st.sampled_from(["none", "text", "float", "int", "time"]))
        if kind == "text":
            coords[dim] = np.array(draw(st.lists(texts, min_size=size, max_size=size)), dtype=object)
        elif kind != "none":
            dtype = {"float": "f8", "int": "i8", "time": "M8[ns]"}[kind]
            coords[dim] = draw(st_numpy.arrays(dtype, (size,), unique=True))
    return xr.Dataset(variables, coords=coords, attrs=draw(attrs))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "result.zarr"


@pytest.fixture
def cube():
    rng = np.random.default_rng(1)
    dims = ("symbol", "entry_atr", "trail_atr")
    return xr.Dataset(
        {
            "sharpe_ratio": (dims, rng.normal(size=(2, 3, 4))),
            "n_trades": (dims, rng.integers(0, 99, (2, 3, 4))),
        },
        coords={"symbol": ["SPY", "QQQ"], "entry_atr": [0.2, 0.5, 0.8], "trail_atr": [1.5, 2.0, 2.5, 3.0]},
        attrs={"strategy": "dual_mode", "costs": '{"slippage":0.0001}', "n_trials": 12, "initial_cash": 1e5},
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cube=cubes())
def test_any_cube_comes_back_to_the_bit(cube, path, assert_same_bits):
    write_result(cube, path, overwrite=True)
    assert_same_bits(read_result(path), cube)


def test_grid_comes_back(cube, path):
    write_result(cube, path)
    xr.testing.assert_identical(read_result(path), cube)
    assert read_result(path)["n_trades"].dtype == np.int64


def test_trials_with_named_choices_come_back(path):
    cube = xr.Dataset(
        {"sharpe_ratio": (("symbol", "trial"), [[1.0, np.nan]])},
        coords={
            "symbol": ["SPY"],
            "entry_atr": ("trial", [0.2, 0.3]),
            "mode": ("trial", ["dual", "trend_only"]),
        },
    )
    write_result(cube, path)
    xr.testing.assert_identical(read_result(path), cube)


def test_text_comes_back_as_objects(cube, path):
    write_result(cube, path)
    assert read_result(path)["symbol"].dtype == object


def test_large_cube_is_few_files(path):
    cube = xr.Dataset({"sharpe_ratio": (("symbol", "trial"), np.zeros((4, 300_000)))})
    write_result(cube, path)
    assert sum(1 for file in path.rglob("*") if file.is_file()) == 3
    assert read_result(path).sizes == cube.sizes


def test_empty_dimension_comes_back(path):
    cube = xr.Dataset({"sharpe_ratio": (("symbol", "trial"), np.zeros((2, 0)))})
    write_result(cube, path)
    assert read_result(path).sizes == {"symbol": 2, "trial": 0}


def test_numpy_attributes_become_plain(cube, path):
    cube.attrs |= {"n_trials": np.int64(12), "seed": np.array([1, 2])}
    write_result(cube, path)
    assert read_result(path).attrs["n_trials"] == 12
    assert read_result(path).attrs["seed"] == [1, 2]


def test_same_cube_is_the_same_bytes(cube, tmp_path):
    for name in ("one", "two"):
        write_result(cube, tmp_path / name)
    one, two = (
        sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) for name in ("one", "two")
    )
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x"])
def test_attribute_that_json_cannot_say_is_refused(cube, path, value):
    cube.attrs["strange"] = value
    with pytest.raises(StoreError, match=r"attribute `strange` was a .*must be text, a number"):
        write_result(cube, path)
    assert not path.exists()


def test_reserved_attribute_is_refused(cube, path):
    cube.attrs["fluxhero_format"] = "mine"
    with pytest.raises(StoreError, match="`fluxhero_format` is reserved"):
        write_result(cube, path)


@pytest.mark.parametrize(
    "name", ["units", "calendar", "dtype", "coordinates", "_FillValue", "scale_factor", "add_offset"]
)
def test_attribute_that_xarray_would_obey_is_refused(cube, path, name):
    variable = next(iter(cube.data_vars))
    cube[variable].attrs[name] = "mine"
    with pytest.raises(StoreError, match=f"`{variable}.{name}` is reserved"):
        write_result(cube, path)
    assert not path.exists()


def test_coordinates_are_no_attribute_of_the_cube(cube, path):
    cube.attrs["coordinates"] = "mine"
    with pytest.raises(StoreError, match="`coordinates` is reserved"):
        write_result(cube, path)


def test_text_that_is_none_is_refused(path):
    cube = xr.Dataset({"label": ("trial", np.array(["\ud800"]))})
    with pytest.raises(StoreError, match="which is no text"):
        write_result(cube, path)


@pytest.mark.parametrize("name", ["notes.txt", "return/notes.txt", "notes/mine.txt", "link", "empty/"])
def test_folder_that_holds_more_than_the_cube_is_not_replaced(cube, path, name):
    write_result(cube, path)
    theirs = path / name.rstrip("/").replace("return", str(next(iter(cube.data_vars))))
    theirs.parent.mkdir(exist_ok=True)
    if name == "link":
        theirs.symlink_to(path.parent)
    elif name == "empty/":
        theirs.mkdir()
    else:
        theirs.write_text("a diary")
    with pytest.raises(StoreError, match="no part of the cube; move it away"):
        write_result(cube, path, overwrite=True)
    assert os.path.lexists(theirs)
    if theirs.is_file():
        assert theirs.read_text() == "a diary"


@pytest.mark.parametrize("file", ["/etc/passwd", "../diary", "a/../../diary", "..", "C:/x", "..\\x", ""])
def test_file_outside_of_the_folder_is_refused(cube, path, file):
    write_result(cube, path)
    (path.parent / "diary").write_text("a diary")
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["fluxhero_files"][file] = 7
    root["attributes"]["fluxhero_digest"] = "0"
    (path / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(StoreError, match="which is no file within it"):
        read_result(path)


def test_file_that_goes_while_the_digest_is_made_is_read_again(cube, path, monkeypatch):
    write_result(cube, path)
    real = store_cube._digest
    replacements = iter([True])

    def digest_late(folder, root):
        if next(replacements, False):
            write_result(cube, path, overwrite=True)
            raise FileNotFoundError(2, "No such file or directory")
        return real(folder, root)

    monkeypatch.setattr("fluxhero.store.cube._digest", digest_late)
    assert read_result(path).equals(cube)


def test_mixed_text_is_refused(path):
    cube = xr.Dataset({"label": ("trial", np.array(["a", 1], dtype=object))})
    with pytest.raises(StoreError, match="`label` holds 1 among its text"):
        write_result(cube, path)


def test_complex_numbers_are_refused(path):
    with pytest.raises(StoreError, match="`x` is complex128"):
        write_result(xr.Dataset({"x": ("trial", [1j])}), path)


def test_name_that_would_be_a_folder_is_refused(path):
    with pytest.raises(StoreError, match="'a/b' cannot be a variable's name"):
        write_result(xr.Dataset({"a/b": ("trial", [1.0])}), path)


def test_market_is_no_result(market, path):
    write_market(market, path)
    with pytest.raises(StoreError, match="is a market cube, not a result cube"):
        read_result(path)


def test_market_is_not_replaced_by_a_result(market, cube, path):
    write_market(market, path)
    with pytest.raises(StoreError, match="is something else"):
        write_result(cube, path, overwrite=True)


def test_altered_number_in_the_attributes_is_refused(cube, path):
    write_result(cube, path)
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["n_trials"] = 1
    (path / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(StoreError, match="metadata were changed after writing"):
        read_result(path)
