"""The page of indicators says what the docstrings say, of every one of them."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from fluxhero.kernels import documentation
from fluxhero.kernels.documentation import FOLDER, described, parse
from fluxhero.kernels.pictures import example_inputs, invented, picture
from fluxhero.kernels.registry import INDICATORS


def test_the_page_is_up_to_date() -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == documentation.page(), "run `make docs`"
    assert {path.stem for path in (FOLDER / "pictures").glob("*.svg")} == set(INDICATORS), "run `make docs`"


@pytest.mark.parametrize("name", INDICATORS)
def test_every_section_is_complete(name: str) -> None:
    indicator = INDICATORS[name]
    text = "\n".join(documentation.section(indicator))
    assert "**Formula**: " in text
    assert "Returns: " in text
    assert "NaN policy" in text
    for param in indicator.params:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{param.name}` |"))
        assert len(row.split("|")[4].strip()) > 5, row  # it is described


@pytest.mark.parametrize("name", INDICATORS)
def test_every_picture_shows_all_outputs(name: str) -> None:
    indicator = INDICATORS[name]
    svg = ET.fromstring(picture(indicator))
    words = {element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert words >= {"close", *indicator.outputs}
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}polyline"))) > len(indicator.outputs)
    for values in np.atleast_2d(indicator.public(*example_inputs(indicator))):
        assert np.isfinite(values[-1]) or np.isfinite(values).any()


def test_the_invented_price_is_the_same_everywhere() -> None:
    bars = invented()
    assert (bars["high"] >= np.maximum(bars["open"], bars["close"])).all()
    assert (bars["low"] <= np.minimum(bars["open"], bars["close"])).all()
    assert float(bars["close"][-1]) == pytest.approx(float(bars["close"][-1]), abs=0.0)
    assert (np.round(bars["close"] * 100.0) == bars["close"] * 100.0).mean() > 0.9  # whole cents


def test_docstrings_are_taken_apart() -> None:
    doc = parse(
        """One line.

        Parameters
        ----------
        high, low : array_like, shape (n_bars,), quote currency
            Prices of bars,
            oldest first.
        lookback : int, bars, >= 1
            Length.
        """
    )
    assert doc.summary == "One line."
    entries = described(doc.sections["Parameters"])
    assert entries["low"] == ("array_like, shape (n_bars,), quote currency", "Prices of bars, oldest first.")
    assert entries["lookback"] == ("int, bars, >= 1", "Length.")


def test_writing_removes_pictures_of_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "gone.svg").write_text("<svg/>")
    written = documentation.write(tmp_path)
    assert not (tmp_path / "pictures" / "gone.svg").exists()
    assert len(written) == len(INDICATORS) + 1
