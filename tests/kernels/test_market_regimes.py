"""Market-wide regimes: thresholds, and what they say of years that everybody remembers."""

import numpy as np
import pandas as pd
import pytest

from fluxhero.kernels.indicators.market_regime import (
    BEAR,
    BULL,
    EXPANSION,
    HIGH,
    LOW,
    NEUTRAL,
    NORMAL,
    RECESSION,
    RISK_OFF,
    RISK_ON,
    SLOWDOWN,
    crypto_regime,
    equity_regime,
    macro_regime,
    realised_regime,
    vix_regime,
)
from fluxhero.kernels.types import FloatArray
from fluxhero.tests.oracles.prices import data_folder


def last_equity(*closes: float) -> float:
    return float(equity_regime(closes, mean_lookback=2, short_momentum=1, long_momentum=2)[-1])


def test_bull_needs_price_above_its_mean_and_momentum() -> None:
    assert last_equity(1.0, 2.0, 3.0) == BULL
    assert last_equity(4.0, 2.0, 2.5) == NEUTRAL  # above the mean, but returns of +25% and -37.5%
    assert last_equity(2.6, 2.0, 2.5) == BULL  # +25% and -4%: their mean counts


def test_bear_needs_price_below_its_mean_and_losses() -> None:
    assert last_equity(3.0, 2.0, 1.0) == BEAR
    assert last_equity(1.0, 2.0, 1.5) == NEUTRAL


def test_flat_market_is_neutral() -> None:
    assert last_equity(0.1, 0.1, 0.1) == NEUTRAL


def test_regime_does_not_depend_on_the_unit_of_price() -> None:
    close = np.exp(np.cumsum(np.random.default_rng(5).normal(0.0, 0.02, 600)))
    np.testing.assert_array_equal(equity_regime(close), equity_regime(close * 1024.0))


def test_spans_of_momentum_must_not_cross() -> None:
    with pytest.raises(ValueError, match="`short_momentum` must not exceed `long_momentum`, were 60 and 20"):
        equity_regime([1.0], short_momentum=60, long_momentum=20)


def test_crypto_is_risk_off_below_its_mean_or_on_losses() -> None:
    for closes, state in (
        ((3.0, 1.0, 2.0), RISK_OFF),  # above the mean, but lower than two days ago
        ((1.0, 3.0, 2.0), RISK_OFF),  # higher than two days ago, but below the mean
        ((1.0, 2.0, 3.0), RISK_ON),
        ((2.0, 2.0, 2.0), RISK_ON),
    ):
        assert crypto_regime(closes, mean_lookback=2, momentum_lookback=2)[-1] == state


@pytest.mark.parametrize(
    ("vix", "state"), [(14.99, LOW), (15.0, NORMAL), (25.0, NORMAL), (25.01, HIGH), (9.0, LOW), (80.0, HIGH)]
)
def test_vix_between_its_thresholds_is_normal(vix: float, state: float) -> None:
    assert vix_regime([vix])[0] == state
    assert np.isnan(vix_regime([0.0, -1.0])).all()


@pytest.mark.parametrize(
    ("pmi", "slope", "state"),
    [
        (44.9, 2.0, RECESSION),
        (45.0, 2.0, SLOWDOWN),
        (49.9, -0.01, RECESSION),
        (49.9, 0.0, SLOWDOWN),
        (50.0, -0.01, SLOWDOWN),
        (50.0, 0.0, EXPANSION),
        (60.0, 1.0, EXPANSION),
    ],
)
def test_economy_shrinks_by_a_low_index_or_by_two_signs(pmi: float, slope: float, state: float) -> None:
    assert macro_regime([pmi], [slope])[0] == state


def test_thresholds_must_not_cross() -> None:
    with pytest.raises(ValueError, match="`low` must not exceed `high`, were 30 and 25"):
        vix_regime([20.0], low=30.0)
    with pytest.raises(ValueError, match=r"`low` must not exceed `high`, were 0\.5 and 0\.21"):
        realised_regime([0.2], low=0.5)
    with pytest.raises(ValueError, match="`recession_pmi` must not exceed `slowdown_pmi`, were 55 and 50"):
        macro_regime([50.0], [1.0], recession_pmi=55.0)


def closes_of(file: str) -> pd.Series:
    frame = pd.read_csv(data_folder() / file, parse_dates=["date"], index_col="date")
    return frame["close"]


def shares(states: FloatArray, dates: pd.Index, year: int) -> dict[float, float]:
    chosen = states[dates.year == year]
    return {state: float((chosen == state).mean()) for state in (-1.0, 0.0, 1.0)}


def test_real_index_was_in_a_bear_market_in_2008_and_in_a_bull_market_in_2017() -> None:
    close = closes_of("us_daily/lean_SPY_daily_raw.csv")
    states = equity_regime(close)
    assert shares(states, close.index, 2008)[BEAR] > 0.9
    assert shares(states, close.index, 2017)[BULL] > 0.9
    assert set(states[300:]) == {BEAR, NEUTRAL, BULL}


def test_real_bitcoin_was_risk_off_through_2018() -> None:
    close = closes_of("crypto/bitfinex_BTCUSD_daily_2014_2020.csv")
    states = crypto_regime(close)
    assert shares(states, close.index, 2018)[RISK_OFF] > 0.85
    assert shares(states, close.index, 2017)[RISK_ON] > 0.85


def test_realised_volatility_stands_in_for_the_vix() -> None:
    close, vix = closes_of("us_daily/lean_SPY_daily_raw.csv"), closes_of("macro/VIX_daily_1990_2019.csv")
    volatility = np.log(close).diff().rolling(20).std() * np.sqrt(252)
    both = pd.DataFrame({"volatility": volatility, "vix": vix}).dropna()
    ours, theirs = realised_regime(both["volatility"]), vix_regime(both["vix"])
    assert (ours == theirs).mean() > 0.65
    assert (ours * theirs == -1.0).mean() < 0.005  # hardly ever the opposite
