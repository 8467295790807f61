"""Settings of trading that nobody chose: strategies for hypothesis, shared by tests of oracle and engine."""

from hypothesis import strategies as st

from fluxhero.tests.oracles.event_loop import Costs, Execution, Risk

BROKER = Costs(commission_per_share=0.005, slippage=0.0001, impact=0.0005, impact_participation=0.1)
EXCHANGE = Costs(commission_rate=0.001, slippage=0.0002, impact=0.0005, impact_participation=0.1)
PER_ORDER = Costs(commission_per_order=1.0)
BORROWED = Costs(commission_rate=0.001, slippage=0.0002, borrow_rate=0.5)
BY_SIZE = Costs(slippage=0.0002, impact=0.002, impact_participation=0.05, impact_model="square_root")

costs_of_trading = st.sampled_from((Costs(), BROKER, EXCHANGE, PER_ORDER, BORROWED, BY_SIZE))

executions = st.builds(
    Execution,
    timing=st.sampled_from(("open", "open", "close")),
    intrabar=st.sampled_from(("stop_first", "target_first", "path")),
    limit_fill=st.sampled_from(("through", "touch")),
    limit_gap=st.sampled_from(("open", "limit")),
    participation=st.sampled_from((None, None, 0.02, 0.3)),
    delay_bars=st.sampled_from((0, 0, 1, 3)),
    missed_fills=st.sampled_from((0.0, 0.0, 0.2)),
    seed=st.sampled_from((0, 1, 77)),
    cost_multiple=st.sampled_from((1.0, 1.0, 0.0, 2.5)),
    tick_rounding=st.sampled_from((False, False, True)),
)

# None is drawn more often: limits that are on hide those that follow.
_rarely = st.sampled_from((True, False, False))


@st.composite
def _risks(draw: st.DrawFn) -> Risk:
    def perhaps(*values: float) -> float | None:
        return draw(st.sampled_from(values)) if draw(_rarely) else None

    sizing = draw(st.sampled_from(("stop", "stop", "fraction", "equal", "volatility", "kelly")))
    positions = perhaps(1, 2, 5)
    return Risk(
        max_position=draw(st.sampled_from((0.2, 0.5, 1.0))),
        max_deployed=draw(st.sampled_from((0.3, 1.0))),
        cash_rate=draw(st.sampled_from((-0.1, 0.0, 0.04, 1.0))),
        risk_free_rate=draw(st.sampled_from((0.0, 0.04))),
        sizing=sizing,
        fraction=draw(st.sampled_from((0.1, 0.5))),
        target_volatility=draw(st.sampled_from((0.05, 0.3))),
        kelly_share=draw(st.sampled_from((0.5, 1.0))),
        stop_atr=perhaps(0.5, 2.5),
        max_stop=perhaps(0.005, 0.05),
        max_trades=perhaps(1, 3),
        max_crypto=perhaps(0.2, 0.6),
        max_sector=perhaps(0.25, 0.6),
        max_positions=2 if sizing == "equal" and positions is None else positions,
        max_open_risk=perhaps(0.005, 0.05),
        drawdown_reduce=perhaps(0.002, 0.02),
        drawdown_size=draw(st.sampled_from((0.5, 1.0))),
        drawdown_stop=draw(st.sampled_from((0.8, 1.0))),
        drawdown_halt=perhaps(0.021, 0.1),
        halt_sessions=perhaps(1, 2),
        daily_loss=perhaps(0.003, 0.03),
    )


risks_of_trading = _risks()

bracket_params = {
    "lookback": st.sampled_from((1, 2, 4)),
    "stop": st.sampled_from((0.0, 0.001, 0.005, 0.02, 0.3)),
    "target": st.sampled_from((0.0, 0.002, 0.01, 0.05)),
    "trailing": st.sampled_from((0.0, 0.0, 0.003, 0.02)),
    "offset": st.sampled_from((-0.003, 0.0, 0.0011, 0.004, 0.02)),
    "risk": st.sampled_from((0.001, 0.05, 1.0)),
    "patience": st.sampled_from((0, 6, 10)),
    "shorts": st.sampled_from((0, 1)),
}
ranked_params = {
    "stop": st.sampled_from((0.001, 0.005, 0.02, 0.3)),
    "target": st.sampled_from((0.0, 0.003, 0.02)),
    "risk": st.sampled_from((0.001, 0.02, 0.3)),
    "shorts": st.sampled_from((0, 1)),
    "ties": st.sampled_from((0, 0, 1)),
}
