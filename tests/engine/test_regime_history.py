"""Regimes over a symbol's past: shares that add up, no look at later bars, any timeframe."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fluxhero as fx
from fluxhero.engine.errors import DataError
from fluxhero.engine.regime_history import SCHEMES, regime_history, shares_by_year
from fluxhero.engine.reports.regime_page import regime_page


@pytest.fixture(scope="module")
def market() -> xr.Dataset:
    return fx.sample_market(n_symbols=1, sessions=90)


@pytest.fixture(scope="module")
def history(market: xr.Dataset) -> pd.DataFrame:
    return regime_history(market, str(market["symbol"].values[0]), "1h")


def test_each_state_has_a_word(history: pd.DataFrame) -> None:
    for name, scheme in SCHEMES.items():
        assert set(history[name].dropna()) <= set(scheme.words)
    assert history["trend"].notna().sum() == len(history) - 49


def test_shares_add_up_and_returns_chain(history: pd.DataFrame) -> None:
    shares = shares_by_year(history)
    assert shares["", "bars"].sum() == len(history)
    for name in SCHEMES:
        total = shares[name].sum(axis=1, min_count=1).dropna()
        np.testing.assert_allclose(total, 1.0)
    growth = float((1.0 + shares["", "return"]).prod())
    assert growth == pytest.approx(history["close"].iloc[-1] / history["close"].iloc[0])


def test_later_bars_change_nothing(market: xr.Dataset, history: pd.DataFrame) -> None:
    symbol = str(market["symbol"].values[0])
    part = regime_history(market.isel(time=slice(0, 390 * 60)), symbol, "1h")
    pd.testing.assert_frame_equal(part, history.iloc[: len(part)])


def test_too_little_history_is_said(market: xr.Dataset) -> None:
    symbol = str(market["symbol"].values[0])
    with pytest.raises(DataError, match="has 3 bars of 1d; regimes need 50 or more"):
        regime_history(market.isel(time=slice(0, 390 * 3)), symbol)


def test_the_page_names_nothing_as_code_and_needs_no_network(history: pd.DataFrame) -> None:
    page = regime_page(history, "<b>X&Y</b>", "a <script>")
    assert "<b>X" not in page
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert page.count("<svg") == len(SCHEMES)
