"""The page: what it says, that it is one file, that nothing in it runs but its own scripts."""

import dataclasses
import json
import re
import shutil
import time
import tomllib

import numpy as np
import pytest

from fluxhero.engine.backtest import backtest, replay
from fluxhero.engine.errors import ParameterError
from fluxhero.engine.reports import rank_trials, trial_of_run, write_report
from fluxhero.engine.reports.page import embedded_json
from fluxhero.engine.sweep import sweep

from .conftest import HOSTILE_STRATEGY

CHROMIUM = shutil.which("chromium")
N_SCRIPTS = 3  # the data, Plotly, ours


@pytest.fixture(scope="module")
def report(swept, tmp_path_factory):
    return write_report(*swept, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def text(report):
    return report.read_text(encoding="utf-8")


def body_of(text):
    """The page without its scripts and its style."""
    return re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)


def data_of(text):
    found = re.search(r'<script id="report-data" type="application/json">(.*?)</script>', text, re.DOTALL)
    return json.loads(found.group(1))


def test_it_asks_no_other_host(text):
    assert not re.search(r"""(src|href|action)\s*=\s*["']?\s*(https?:)?//""", body_of(text))
    assert "connect-src" not in text
    assert "default-src 'none'" in text


def test_it_is_small_enough_to_send(report):
    assert report.stat().st_size < 8_000_000


def test_it_says_that_the_market_was_made_up(text):
    assert "GENERATED MARKET" in text


def test_a_market_that_was_not_made_up_has_no_such_banner(swept, tmp_path):
    cube, run = swept
    real = write_report(cube.assign_attrs(generated=0), run, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "GENERATED MARKET" not in real


def test_it_says_what_was_run_and_what_it_cost(text):
    body = body_of(text)
    assert "24 trials on 2 symbols" in body
    assert "lookback 3 to 13 (4 values)" in body
    assert "commission 0.005 per share" in body
    assert "costs.slippage swept" in body
    assert "at most 20% of equity in one position" in body
    assert "Trading loses money" in body
    assert "SHA-256 " in body


def test_the_best_is_shown_with_what_it_stands_out_from(text):
    assert "24 trials looked at." in text
    assert "partly luck" in text
    assert "Best trial: equity" in text


def test_names_and_reasons_are_escaped(text):
    body = body_of(text)
    assert "<script" not in body
    assert "<img" not in body
    assert "<b " not in body
    assert "&lt;script&gt;window.hacked = 1&lt;/script&gt;" in body
    assert len(re.findall("<script", text.split("<main>")[1].split("</main>")[0])) == 0
    assert len(re.findall("</script>", text)) == N_SCRIPTS


def test_data_cannot_end_their_script_element():
    assert "<" not in embedded_json({"reason": "</script><script>"})
    assert json.loads(embedded_json({"reason": "</script>", "x": float("nan")})) == {
        "reason": "</script>",
        "x": None,
    }


def test_minutes_do_not_travel(swept, text):
    _, run = swept
    data = data_of(text)
    assert len(data["equity"]["time"]) < run.market.sizes["time"] / 20
    assert len(data["candles"]["charts"][0]["close"]) < run.market.sizes["time"] / 20


def test_a_trial_that_is_not_the_best_is_called_chosen(swept, market, tmp_path):
    cube, _ = swept
    worst = rank_trials(cube, top=None)[-1]
    run = replay(cube, market, **worst.cell)
    text = write_report(cube, run, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Chosen trial: equity" in text
    assert data_of(text)["cube"]["shown"] != data_of(text)["cube"]["best"]


def test_a_run_is_found_in_its_cube(swept, market):
    cube, _ = swept
    worst = rank_trials(cube, top=None)[-1]
    assert trial_of_run(cube, replay(cube, market, **worst.cell), prefer=0) == worst.trial
    one = replay(cube, market, symbol="BRVO", **rank_trials(cube)[0].cell)
    assert trial_of_run(cube, one, prefer=rank_trials(cube)[0].trial) == rank_trials(cube)[0].trial


def test_a_run_that_is_not_of_the_cube_is_refused(swept, strategy_file, market, tmp_path):
    cube, run = swept
    foreign = backtest(strategy_file, market, params={"lookback": 40}, decision_timeframe="1h")
    with pytest.raises(ParameterError, match="none of the cube's trials"):
        write_report(cube, foreign, tmp_path / "r.html")
    renamed = dataclasses.replace(
        run, market=run.market.assign_coords(symbol=np.array(["X", "Y"], dtype=object))
    )
    with pytest.raises(ParameterError, match="`run` is of 'X', which the cube lacks"):
        write_report(cube, renamed, tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_metric_is_refused_before_anything_is_written(swept, tmp_path):
    with pytest.raises(ParameterError, match="no metric 'sharp'"):
        write_report(*swept, tmp_path / "r.html", rank_by="sharp")
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_replaced_whole_and_folders_are_made(swept, tmp_path):
    path = tmp_path / "new" / "folder" / "r.html"
    assert write_report(*swept, path) == path
    first = path.read_bytes()
    write_report(*swept, path)
    assert path.read_bytes() == first  # the same in, the same out
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("symbols", "axes", "kind"),
    [
        (1, {"grid": {}}, "single"),
        (1, {"grid": {"lookback": [3, 5], "stop": [0.01, 0.02]}}, "heat_map"),
        (2, {"grid": {"lookback": [3, 5, 8], "stop": [0.01]}}, "line"),
        (2, {"trials": {"lookback": [3, 8, 5], "stop": [0.01, 0.02, 0.03]}}, "scatter"),
    ],
)
def test_cubes_of_every_shape_have_a_report(run_sweep, tmp_path, open_page, symbols, axes, kind):
    path = write_report(*run_sweep(symbols, **axes), tmp_path / "r.html")
    assert data_of(path.read_text(encoding="utf-8"))["cube"]["kind"] == kind
    if open_page is not None:
        page, complaints = open_page(path)
        assert complaints == []
        assert (page.locator("#cube-chart .main-svg").count() > 0) == (kind != "single")


@pytest.fixture
def with_choices(tmp_path, market):
    """Listed trials with a parameter of named choices."""
    path = tmp_path / "sided.py"
    code = HOSTILE_STRATEGY.replace(
        '"wait": Param(0, 0, 1)', '"side": Param(0, 0, 1, choices={"above": 0, "below": 1})'
    )
    path.write_text(code.replace("p.wait < 0.5", "p.side < 2.0"), encoding="utf-8")
    trials = {"lookback": [3, 5, 8], "side": ["above", "below", "above"]}
    cube = sweep(path, market, trials=trials, decision_timeframe="1h", n_threads=1)
    return cube, replay(cube, market, **rank_trials(cube)[0].cell)


def test_listed_trials_of_named_choices_are_drawn(with_choices, tmp_path, open_page):
    path = write_report(*with_choices, tmp_path / "r.html")
    (side,) = [
        one for one in data_of(path.read_text(encoding="utf-8"))["cube"]["params"] if one["name"] == "side"
    ]
    assert side["values"] == ["above", "below", "above"]
    if open_page is None:
        pytest.skip("needs chromium")
    page, complaints = open_page(path)
    for name in ("cube-chart", "equity-chart", "candle-chart"):
        assert page.locator(f"#{name} .main-svg").count() > 0
    page.locator("#cube-controls select").last.select_option(label="side")
    assert page.evaluate("document.querySelector('#cube-chart')._fullLayout.xaxis.type") == "category"
    assert complaints == []


def test_a_drawing_that_fails_keeps_no_other_from_being_drawn(report, tmp_path, open_page):
    if open_page is None:
        pytest.skip("needs chromium")
    text = report.read_text(encoding="utf-8")
    data = data_of(text)
    data["cube"]["values"] = None
    broken = re.sub(
        r'(<script id="report-data" type="application/json">).*?(</script>)',
        lambda found: found[1] + embedded_json(data) + found[2],
        text,
        flags=re.DOTALL,
    )
    path = tmp_path / "r.html"
    path.write_text(broken, encoding="utf-8")
    page, complaints = open_page(path)
    assert any("null" in complaint for complaint in complaints)
    for name in ("scores-chart", "equity-chart", "candle-chart"):
        assert page.locator(f"#{name} .main-svg").count() > 0


def test_a_run_without_trades_has_a_report(without_trades, tmp_path, open_page):
    path = write_report(*without_trades, tmp_path / "r.html")
    assert "No trade was closed." in path.read_text(encoding="utf-8")
    if open_page is not None:
        assert open_page(path)[1] == []


def test_the_scripts_and_the_style_are_packed_into_the_wheel(root):
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert "assets/*" in settings["tool"]["setuptools"]["package-data"].get("fluxhero.engine.reports", [])


def test_a_warm_report_is_quick(swept, tmp_path):
    write_report(*swept, tmp_path / "r.html")
    started = time.perf_counter()
    write_report(*swept, tmp_path / "r.html")
    assert time.perf_counter() - started < 2.5


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        yield None
        return
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def open_page(browser):
    """Open a file with the network blocked; returns the page and everything it complained about."""
    if browser is None:
        yield None
        return
    context = browser.new_context(viewport={"width": 1024, "height": 800}, color_scheme="dark", offline=True)

    def open_file(path):
        page = context.new_page()
        complaints = []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: note_request(request.url, complaints))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-drawn=yes]", timeout=60_000)
        return page, complaints

    yield open_file
    context.close()


def note_request(url, complaints):
    if not url.startswith(("file:", "data:", "blob:")):
        complaints.append(f"request: {url}")


@pytest.fixture(scope="module")
def opened(open_page, report):
    """The report, opened once: it takes a second or two."""
    if open_page is None:
        pytest.skip("needs chromium")
    return open_page(report)


@pytest.fixture
def page(opened):
    page, complaints = opened
    yield page
    assert complaints == []


def test_it_draws_itself_without_network_or_complaint(page):
    for name in ("cube-chart", "equity-chart", "candle-chart", "scores-chart"):
        assert page.locator(f"#{name} .main-svg").count() > 0


def test_it_fits_a_tablet(page):
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_hostile_names_never_run(page):
    page.locator("#candle-chart .legendtoggle").last.click()  # refused signals
    page.select_option("#candle-controls select", "0")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script").count() == 0


def test_no_button_sends_the_chart_away(page):
    titles = page.eval_on_selector_all(".modebar-btn", "all => all.map((one) => one.dataset.title)")
    assert titles
    assert not [title for title in titles if re.search("cloud|plotly|share", title, re.IGNORECASE)]


def test_a_trade_in_the_table_is_shown_on_the_candles(page):
    row = page.locator("tr[data-mark]").first
    symbol = row.locator("td").first.text_content()
    row.click()
    words = page.locator("#candle-picked").text_content()
    assert words.startswith("Trade ")
    assert words.endswith(f"of {symbol}.")


def test_tables_sort_by_what_they_mean(page):
    head = page.locator("#trades th", has_text="P&L").first
    head.click()
    keys = page.eval_on_selector_all(
        "#trades tbody tr td:nth-child(9)", "all => all.map((one) => Number(one.dataset.key))"
    )
    assert keys == sorted(keys, reverse=True)
    head.click()
    keys = page.eval_on_selector_all(
        "#trades tbody tr td:nth-child(9)", "all => all.map((one) => Number(one.dataset.key))"
    )
    assert keys == sorted(keys)


def test_the_theme_switches_and_the_charts_follow(page):
    colour = "document.querySelector('#equity-chart')._fullLayout.plot_bgcolor"
    assert page.evaluate(colour) == "#1a1a1a"
    page.click("#theme")
    assert page.evaluate(colour) == "#f4f4f4"
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.click("#theme")
    assert page.evaluate(colour) == "#1a1a1a"


def test_a_cell_says_how_to_replay_it(page, swept, market):
    page.locator("#cube-chart").scroll_into_view_if_needed()
    box = page.locator("#cube-chart .nsewdrag").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.1)
    page.wait_for_selector("#cube-picked code")
    call = page.locator("#cube-picked code").text_content()
    assert call.startswith("fx.replay(cube, market, lookback=3, stop=0.02")

    class Fx:
        replay = staticmethod(replay)

    cube, _ = swept
    run = eval(call, {"fx": Fx, "cube": cube, "market": market})
    assert run.params["lookback"] == 3.0


def test_other_axes_metrics_and_symbols_can_be_chosen(page):
    selects = page.locator("#cube-controls select")
    for i in range(selects.count()):
        selects.nth(i).select_option(index=1)
    assert page.locator("#cube-chart .main-svg").count() > 0
    title = page.evaluate("document.querySelector('#cube-chart')._fullLayout.xaxis.title.text")
    assert title == page.locator("#cube-controls select").nth(2).locator("option:checked").text_content()
