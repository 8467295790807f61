"""State of the market: what is known when, what is late, and what years that everybody remembers were."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from fluxhero.adapters.calendars import session_grid
from fluxhero.engine.errors import DataError, ParameterError
from fluxhero.engine.market_state import (
    MarketState,
    MarketStates,
    Missing,
    Source,
    business_days,
    curve_known_at,
    market_states,
    pmi_known_at,
    source,
    vix_known_at,
)
from fluxhero.kernels.types import IntArray
from fluxhero.tests.oracles.prices import data_folder

DAY = pd.Timedelta(days=1)
ANY_PARAMS = {"equity_regime": {"mean_lookback": 1, "short_momentum": 1, "long_momentum": 1}}


def ns(*times: str) -> IntArray:
    return np.array(times, dtype="datetime64[ns]").astype(np.int64)


def new_york(ts_ns: IntArray) -> list[str]:
    local = pd.DatetimeIndex(ts_ns, tz="UTC").tz_convert("America/New_York")
    return local.strftime("%a %Y-%m-%d %H:%M").tolist()


def of_vix(values: list[float], known: list[str], expected: list[str]) -> Source:
    return source(values, ns(*known), ns(*expected))


@pytest.mark.parametrize(
    ("month", "known"),
    [
        ("2018-03", "Mon 2018-04-02 10:00"),
        ("2017-12", "Wed 2018-01-03 10:00"),  # not the day after New Year's Day
        ("2018-12", "Thu 2019-01-03 10:00"),
        ("2015-12", "Mon 2016-01-04 10:00"),  # the 3rd was a Sunday
        ("2016-12", "Tue 2017-01-03 10:00"),  # the same, kept on the Monday
        ("2018-08", "Tue 2018-09-04 10:00"),  # Labor Day
        ("2018-02", "Thu 2018-03-01 10:00"),
    ],
)
def test_pmi_is_known_on_the_first_business_day_of_the_next_month(month: str, known: str) -> None:
    assert new_york(pmi_known_at(month)) == [known]


def test_a_date_is_that_of_its_own_calendar_whatever_its_zone() -> None:
    berlin = pd.DatetimeIndex(["2018-02-01"], tz="Europe/Berlin")
    assert pmi_known_at(berlin).tolist() == pmi_known_at("2018-02-01").tolist()
    assert vix_known_at(berlin).tolist() == vix_known_at(["2018-02-01"]).tolist()


@pytest.mark.parametrize("missing", [None, pd.NaT, np.datetime64("NaT", "ns")])
def test_a_value_without_a_date_is_refused(missing: object) -> None:
    with pytest.raises(DataError, match="position 1 has no time"):
        vix_known_at(["2018-02-01", missing])
    with pytest.raises(DataError, match="position 0 has no time"):
        source([40.0], [missing], ns("2018-02-01"))


def test_a_value_that_comes_a_little_early_is_not_late_at_once() -> None:
    due = ["2020-01-02T15:00", "2020-02-03T15:00", "2020-03-02T15:00"]
    early = of_vix([30.0], ["2020-01-02T14:59:59"], due)
    times = ns("2020-01-02T15:00", "2020-01-20T00:00", "2020-02-03T15:00", "2020-02-03T16:00")
    states = market_states(times, vix=early)
    assert states.volatility.tolist() == [1, 1, 1, 1]
    assert states.is_volatility_stale.tolist() == [False, False, False, True]


@pytest.mark.parametrize("hours", [-1.0, float("nan"), float("inf")])
def test_an_impossible_age_is_refused(hours: float) -> None:
    with pytest.raises(ParameterError, match="`max_age_hours` must be a number from 0"):
        market_states(ns("2020-01-02T15:00"), max_age_hours=hours)


def test_yields_are_known_on_the_next_business_day_and_the_vix_at_midnight() -> None:
    dates = ["2018-01-11", "2018-01-12", "2018-07-03"]  # before a Friday, a long weekend, a holiday
    assert new_york(curve_known_at(dates)) == [
        "Fri 2018-01-12 16:15",
        "Tue 2018-01-16 16:15",
        "Thu 2018-07-05 16:15",
    ]
    assert new_york(vix_known_at(dates))[:2] == ["Fri 2018-01-12 00:00", "Sat 2018-01-13 00:00"]


def test_value_holds_from_when_it_is_known_and_not_before() -> None:
    given = of_vix([30.0], ["2020-01-02T05:00"], ["2020-01-02T05:00", "2020-01-03T05:00"])
    times = ns("2020-01-02T04:59:59", "2020-01-02T05:00", "2020-01-02T09:00")
    states = market_states(times, vix=given)
    assert states.volatility.tolist() == [0, 1, 1]
    assert states.is_volatility_stale.tolist() == [True, False, False]


def test_late_value_is_kept_with_a_flag_and_given_up_after_48_hours() -> None:
    expected = [f"2020-01-{day:02d}T05:00" for day in range(2, 10)]
    given = of_vix([30.0, 10.0], [expected[0], expected[5]], expected)
    times = ns(
        "2020-01-03T05:00", "2020-01-03T05:01", "2020-01-05T05:00", "2020-01-05T05:01", "2020-01-07T05:00"
    )
    states = market_states(times, vix=given)
    assert states.volatility.tolist() == [1, 1, 1, 0, -1]
    assert states.is_volatility_stale.tolist() == [False, True, True, True, False]
    assert [span for span in states.missing if span.input == "vix"] == [
        Missing("vix", *(int(t) for t in ns("2020-01-03T05:00", "2020-01-07T05:00", "2020-01-05T05:00")))
    ]


def test_weekend_makes_nothing_stale() -> None:
    friday, monday = "2020-01-10T21:00", "2020-01-13T21:00"
    given = of_vix([30.0], [friday], [friday, monday])
    states = market_states(ns(friday, "2020-01-12T23:00", "2020-01-13T20:59"), vix=given)
    assert states.volatility.tolist() == [1, 1, 1]
    assert not states.is_volatility_stale.any()


def test_value_that_was_never_published_counts_as_missing() -> None:
    expected = ["2020-01-02", "2020-01-03", "2020-01-06"]
    given = of_vix([30.0, np.nan], expected[:2], expected)
    states = market_states(ns("2020-01-02", "2020-01-03", "2020-01-04"), vix=given)
    assert states.volatility.tolist() == [1, 1, 1]
    assert states.is_volatility_stale.tolist() == [False, False, True]
    assert Missing("vix", *ns("2020-01-03").tolist(), None, None) in states.missing


def test_the_last_of_several_values_counts() -> None:
    expected = ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"]
    given = of_vix([10.0, 30.0, 10.0], expected[:3], expected)
    assert market_states(ns("2020-01-02T12:00", "2020-01-03T12:00"), vix=given).volatility.tolist() == [1, -1]


def test_regime_that_warms_up_is_missing() -> None:
    days = pd.date_range("2020-01-01", periods=10)
    given = source(np.arange(1.0, 9.0), days[:8], days)
    states = market_states(days[:8], equity=given, params=ANY_PARAMS)
    assert states.equity.tolist() == [0] * 8  # with a mean of one bar no close is above it
    assert states.is_equity_stale.tolist() == [True] + [False] * 7
    first, second = (int(day.value) for day in days.as_unit("ns")[:2])
    assert Missing("equity", first, second, first) in states.missing


def test_absent_inputs_are_neutral_and_listed() -> None:
    times = ns("2020-01-01", "2020-01-02")
    states = market_states(times)
    assert states.at(1) == MarketState(0, 0, 0, 0, True, True, True, True)
    assert {span.input for span in states.missing} == {"equity", "vix", "crypto", "pmi", "curve"}
    assert {span[1:] for span in states.missing} == {(times[0], None, times[0])}
    assert market_states([]).missing == ()


def test_realised_volatility_takes_the_place_of_an_absent_vix() -> None:
    expected = [f"2020-01-{day:02d}" for day in range(1, 20)]
    realised = of_vix([0.3] * 18, expected[:18], expected)
    vix = of_vix([10.0], expected[:1], expected)
    times = ns("2020-01-01", "2020-01-03", "2020-01-10")
    alone = market_states(times, realised=realised)
    assert alone.volatility.tolist() == [1, 1, 1]
    assert not alone.is_volatility_stale.any()
    assert not {"vix", "realised"} & {span.input for span in alone.missing}
    both = market_states(times, vix=vix, realised=realised)
    assert both.volatility.tolist() == [-1, -1, 1]  # the VIX, the late VIX, then what takes its place
    assert both.is_volatility_stale.tolist() == [False, True, True]


def test_economy_needs_both_inputs() -> None:
    expected = [f"2020-01-{day:02d}" for day in range(1, 20)]
    pmi = source([40.0], ns("2020-01-01"), ns("2020-01-01", "2020-02-03"))
    curve = of_vix([1.0] * 3, expected[:3], expected)
    states = market_states(ns("2020-01-02", "2020-01-05", "2020-01-07"), pmi=pmi, curve=curve)
    assert states.macro.tolist() == [-1, -1, 0]
    assert states.is_macro_stale.tolist() == [False, True, True]
    assert [span.input for span in states.missing if span.fallback_ns and span.stop_ns is None][-1] == "curve"


def test_parameters_of_the_regimes_can_be_set() -> None:
    given = of_vix([30.0], ["2020-01-01"], ["2020-01-01", "2020-01-03"])
    times = ns("2020-01-02")
    assert market_states(times, vix=given, params={"vix_regime": {"high": 35.0}}).volatility[0] == 0
    with pytest.raises(ParameterError, match="regime 'vix' is unknown; known are equity_regime, vix_regime"):
        market_states(times, params={"vix": {}})
    with pytest.raises(ParameterError, match="vix_regime has no parameter 'top'; it has low, high"):
        market_states(times, params={"vix_regime": {"top": 1.0}})


def test_bad_times_are_refused() -> None:
    with pytest.raises(DataError, match=r"`values` has the shape \(1,\) but `known_at` \(2,\)"):
        of_vix([1.0], ["2020-01-01", "2020-01-02"], [])
    with pytest.raises(DataError, match=r"`known_at` must not fall: position 1 \(2020-01-01 00:00\)"):
        of_vix([1.0, 2.0], ["2020-01-02", "2020-01-01"], [])
    with pytest.raises(DataError, match="`times` must not fall"):
        market_states(ns("2020-01-02", "2020-01-01"))
    given = of_vix([1.0], ["2020-01-01"], ["2020-01-01", "2020-01-02"])
    with pytest.raises(
        DataError, match="the schedule of `vix` ends at 2020-01-02 00:00 but states are asked"
    ):
        market_states(ns("2020-01-02"), vix=given)


class Real(NamedTuple):
    """Real inputs, and the closes of New York at which states are asked for."""

    times: IntArray
    inputs: dict[str, Source]
    states: MarketStates

    def shares(self, field: str, year: int) -> dict[int, float]:
        chosen = getattr(self.states, field)[pd.DatetimeIndex(self.times).year == year]
        return {code: float((chosen == code).mean()) for code in (-1, 0, 1)}


def table(file: str, date: str = "date") -> pd.DataFrame:
    return pd.read_csv(data_folder() / file, parse_dates=[date], na_values=".").rename(columns={date: "date"})


@pytest.fixture(scope="module")
def real() -> Real:
    sessions = session_grid("XNYS", "1998-01-01", "2020-01-10")
    days = sessions.session_ns.view("datetime64[ns]")
    spy, vix = table("us_daily/lean_SPY_daily_raw.csv"), table("macro/VIX_daily_1990_2019.csv")
    pmi = table("macro/ISM_manufacturing_PMI_monthly_to_2019.csv")
    curve = table("macro/FRED_T10Y2Y_to_2019.csv", "DATE")
    bitcoin = table("crypto/bitfinex_BTCUSD_daily_2014_2020.csv")
    spy_ns = sessions.close_ns[np.searchsorted(days, spy["date"].to_numpy())]
    months = np.arange("1948-01", "2020-03", dtype="datetime64[M]")
    inputs = {
        "equity": source(spy["close"], spy_ns, sessions.close_ns),
        "vix": source(vix["close"], vix_known_at(vix["date"]), vix_known_at(days)),
        "crypto": source(bitcoin["close"], bitcoin["date"] + DAY, pd.date_range("2014-12-02", "2020-02-01")),
        "pmi": source(pmi["pmi"], pmi_known_at(pmi["date"]), pmi_known_at(months)),
        "curve": source(
            curve["T10Y2Y"],
            curve_known_at(curve["date"]),
            curve_known_at(business_days("1976-06-01", "2020-02-01")),
        ),
    }
    return Real(spy_ns, inputs, market_states(spy_ns, **inputs))


@pytest.mark.parametrize(
    ("field", "year", "code", "at_least"),
    [
        ("equity", 2008, -1, 0.9),
        ("equity", 2015, 1, 0.6),
        ("equity", 2017, 1, 0.95),
        ("volatility", 2008, 1, 0.5),
        ("volatility", 2017, -1, 0.9),
        ("macro", 2001, -1, 0.8),
        ("macro", 2009, -1, 0.5),
        ("macro", 2017, 1, 0.95),
        ("crypto", 2017, 1, 0.9),
        ("crypto", 2018, -1, 0.85),
    ],
)
def test_remembered_years_are_what_they_were(
    real: Real, field: str, year: int, code: int, at_least: float
) -> None:
    assert real.shares(field, year)[code] >= at_least


def test_crash_of_2008_shows_when_it_was_known(real: Real) -> None:
    """The PMI of September 2008, 43.5, was published on 1 October, before that session's close."""
    days = pd.DatetimeIndex(real.times).normalize()
    before, after = (int(np.flatnonzero(days == day)[0]) for day in ("2008-09-30", "2008-10-01"))
    assert real.states.at(before)[:4] == (-1, 1, 0, 0)
    assert real.states.at(after)[:4] == (-1, 1, 0, -1)


def test_gaps_of_real_sources_are_found(real: Real) -> None:
    states = real.states
    by_input: dict[str, list[Missing]] = {}
    for span in states.missing:
        by_input.setdefault(span.input, []).append(span)
    assert "pmi" not in by_input
    (outage,) = (span for span in by_input["crypto"] if span.start_ns > real.times[5_000])
    assert outage[1:] == tuple(int(t) for t in ns("2019-03-21", "2019-04-02", "2019-03-23"))
    late = (real.times > outage.start_ns) & (real.times < ns("2019-04-02")[0])
    np.testing.assert_array_equal(
        states.is_crypto_stale[real.times > ns("2016")[0]], late[real.times > ns("2016")[0]]
    )
    assert all(span.fallback_ns is None for span in by_input["curve"])  # single bond holidays


@pytest.mark.parametrize("cut", ["2008-09-15T20:00", "2012-01-01", "2019-03-25T12:00"])
def test_what_is_not_known_yet_changes_nothing(real: Real, cut: str) -> None:
    cut_ns = int(ns(cut)[0])
    known = {
        name: Source(
            given.values[given.known_ns <= cut_ns],
            given.known_ns[given.known_ns <= cut_ns],
            given.expected_ns,
        )
        for name, given in real.inputs.items()
    }
    times = real.times[real.times <= cut_ns]
    whole, seen = real.states, market_states(times, **known)
    for before, now in zip(whole[1:9], seen[1:9], strict=True):
        np.testing.assert_array_equal(before[: times.size], now)


def test_one_time_gives_what_a_series_gives(real: Real) -> None:
    states = real.states
    for position in (0, 2_700, 5_100, real.times.size - 1):
        alone = market_states(real.times[position : position + 1], **real.inputs)
        assert alone.at(0) == states.at(position)
