// Candles by position, so that nights and weekends leave no holes; the labels below say when it was.

const MONTH_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_MS = 86400000;

function utc(ms) {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}

/** Positions and labels of at most some ten ticks at the starts of hours, days, weeks, months or years. */
function timeTicks(time, from, to) {
  const first = Math.max(0, Math.ceil(from));
  const last = Math.min(time.length - 1, Math.floor(to));
  const day = (ms) => new Date(ms).toISOString().slice(0, 10);
  const month = (ms) => new Date(ms).toISOString().slice(0, 7);
  const short = (ms) => `${MONTH_NAMES[new Date(ms).getUTCMonth()]} ${new Date(ms).getUTCDate()}`;
  const named = (ms) => `${MONTH_NAMES[new Date(ms).getUTCMonth()]} ${new Date(ms).getUTCFullYear()}`;
  const levels = [
    [(ms) => ms, (ms) => `${utc(ms).slice(11)}<br>${short(ms)}`],
    [day, short],
    [(ms) => Math.floor((ms / DAY_MS - 4) / 7), short],
    [month, named],
    [(ms) => Math.floor(new Date(ms).getUTCMonth() / 3) + month(ms).slice(0, 4), named],
    [(ms) => month(ms).slice(0, 4), (ms) => month(ms).slice(0, 4)],
  ];
  for (const [group, label] of levels) {
    const at = [];
    for (let i = first; i <= last && at.length <= 11; i++) {
      if (i > 0 ? group(time[i]) !== group(time[i - 1]) : true) at.push(i);
    }
    if (at.length <= 11) return { tickvals: at, ticktext: at.map((i) => label(time[i])) };
  }
  return { tickvals: [first, last], ticktext: [first, last].map((i) => utc(time[i]).slice(0, 10)) };
}

/** Lowest and highest of what is drawn between two positions, with a little air. */
function priceRange(one, from, to) {
  const first = Math.max(0, Math.floor(from));
  const last = Math.min(one.time.length - 1, Math.ceil(to));
  let low = Infinity;
  let high = -Infinity;
  for (let i = first; i <= last; i++) {
    low = Math.min(low, one.low[i], one.stop[i] ?? Infinity);
    high = Math.max(high, one.high[i]);
  }
  const air = (high - low) * 0.06 || high * 0.01;
  return low <= high ? [low - air, high + air] : undefined;
}

function candleTraces(one) {
  const x = one.time.map((_, i) => i);
  const cents = one.close.length && Math.min(...one.low) < 10 ? ".6~g" : ",.2f";
  const traces = [{
    type: "candlestick",
    name: plain(one.symbol),
    x,
    open: one.open,
    high: one.high,
    low: one.low,
    close: one.close,
    customdata: one.time.map(utc),
    hovertemplate:
      `<b>%{customdata} UTC</b><br>open %{open:${cents}}  high %{high:${cents}}<br>` +
      `low %{low:${cents}}  close %{close:${cents}}<extra></extra>`,
    increasing: { line: { color: colour("profit"), width: 1 } },
    decreasing: { line: { color: colour("loss"), width: 1 } },
    showlegend: false,
  }];
  if (one.kama.length) {
    traces.push({
      type: "scatter", mode: "lines", name: "KAMA", x, y: one.kama,
      line: { color: colour("accent"), width: 1.5 }, hovertemplate: `KAMA %{y:${cents}}<extra></extra>`,
    });
  }
  traces.push({
    type: "scatter", mode: "lines", name: "stop", x, y: one.stop, connectgaps: false,
    line: { color: colour("warn"), width: 1.5, shape: "hvh" }, hovertemplate: `stop %{y:${cents}}<extra></extra>`,
  });
  for (const [gain, name] of [[true, "profit"], [false, "loss"]]) {
    const own = one.trades.filter((trade) => trade.gain === gain);
    traces.push({
      type: "scatter", mode: "lines", showlegend: false, hoverinfo: "skip",
      x: own.flatMap((trade) => [trade.from, trade.to, null]),
      y: own.flatMap((trade) => [trade.entry, trade.exit, null]),
      line: { color: colour(name), width: 1.5, dash: "dot" },
    });
  }
  const shapes = [["buy", "entry", "text", "background"], ["short", "short entry", "text", "background"],
    ["gain", "exit with a gain", "profit", "text"], ["loss", "exit with a loss", "loss", "text"]];
  for (const [kind, name, paint, edge] of shapes) {
    const own = one.fills.filter((fill) => fill.kind === kind);
    if (kind === "short" && own.length === 0) continue;
    traces.push({
      type: "scatter", mode: "markers", name, x: own.map((fill) => fill.i), y: own.map((fill) => fill.price),
      marker: {
        symbol: own.map((fill) => (fill.up ? "triangle-up" : "triangle-down")),
        size: 14, color: colour(paint), line: { color: colour(edge), width: 1.5 },
      },
      text: own.map(fillText),
      hovertemplate: "%{text}<extra></extra>",
    });
  }
  traces.push({
    type: "scatter", mode: "markers", name: "refused signal", visible: "legendonly",
    x: one.refusals.i,
    y: one.refusals.i.map((i) => one.high[i]),
    text: one.refusals.why.map((code) => plain(one.refusals.words[code])),
    marker: { symbol: "x", size: 7, color: colour("muted") },
    hovertemplate: "%{text}<extra></extra>",
  });
  return traces;
}

/** Lines on one execution; what the rule saw goes three to a line. */
function fillText(fill) {
  const seen = fill.seen
    .map((value, i) => (value === null ? "" : `${plain(report.candles.features[i])} ${value}`))
    .filter((text) => text);
  const rows = [];
  for (let i = 0; i < seen.length; i += 3) rows.push(seen.slice(i, i + 3).join(" · "));
  const lines = [`<b>${plain(fill.lines[0])}</b>`, ...fill.lines.slice(1).map(plain), `${utc(fill.ms)} UTC`];
  return lines.concat(rows.map((row) => `<span style="font-size:11px">${row}</span>`)).join("<br>");
}

function drawCandles() {
  const { charts, first, times } = report.candles;
  for (const one of charts) one.time = times[one.times]; // symbols that share a clock share its list
  const controls = byId("candle-controls");
  const state = { which: first, trade: -1, range: null };
  const symbols = addSelect(controls, "Symbol", charts.map((one) => one.symbol), first, (i) => show(i));
  const spans = [["1 week", 7], ["1 month", 30.5], ["3 months", 91.5], ["all", Infinity]];
  for (const [name, days] of spans) addButton(controls, name, `show ${name}`, () => span(days));
  addButton(controls, "◀ trade", "the trade before", () => step(-1));
  addButton(controls, "trade ▶", "the next trade", () => step(1));

  const one = () => charts[state.which];

  /** The last trades of a symbol, or its last candles: a stretch wide enough to see each. */
  function opening() {
    const n = one().time.length;
    const last = one().trades.length ? Math.min(n - 1, one().trades.at(-1).to + 30) : n - 1;
    return [Math.max(0, last - 140) - 0.5, last + 0.5];
  }

  function span(days) {
    const { time } = one();
    const last = Math.min(time.length - 1, Math.max(0, Math.floor(state.range[1])));
    const start = time.findIndex((ms) => ms >= time[last] - days * DAY_MS);
    go([Math.max(0, start) - 0.5, (days === Infinity ? time.length - 1 : last) + 0.5]);
  }

  function step(by) {
    const { trades } = one();
    if (!trades.length) return;
    if (state.trade < 0) state.trade = by > 0 ? -1 : trades.length;
    focus(Math.min(trades.length - 1, Math.max(0, state.trade + by)));
  }

  function focus(i) {
    state.trade = i;
    const { from, to } = one().trades[i];
    const air = Math.max(25, (to - from) * 0.6);
    go([Math.max(-0.5, from - air), Math.min(one().time.length - 0.5, to + air)]);
    byId("candle-picked").textContent = `Trade ${i + 1} of ${one().trades.length} of ${one().symbol}.`;
  }

  function show(i) {
    state.which = i;
    state.trade = -1;
    state.range = null;
    symbols.value = String(i);
    byId("candle-picked").textContent = "";
    draw();
  }

  function axes(range) {
    return { xaxis: { range, ...timeTicks(one().time, ...range) }, yaxis: { range: priceRange(one(), ...range) } };
  }

  function go(range) {
    state.range = range;
    const { xaxis, yaxis } = axes(range);
    Plotly.relayout("candle-chart", {
      "xaxis.range": xaxis.range,
      "xaxis.tickvals": xaxis.tickvals,
      "xaxis.ticktext": xaxis.ticktext,
      "yaxis.range": yaxis.range,
    });
  }

  function draw() {
    state.range ??= opening();
    const { xaxis, yaxis } = axes(state.range);
    Plotly.react("candle-chart", candleTraces(one()), themed({
      height: 560,
      margin: { l: 68, r: 16, t: 36, b: 36 },
      dragmode: "pan",
      hovermode: "closest",
      hoverdistance: 30,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      xaxis: { ...xaxis, tickmode: "array", rangeslider: { visible: false }, zeroline: false },
      yaxis: { ...yaxis, title: { text: "price" }, zeroline: false },
    }), settings("zoom2d", "pan2d"));
  }

  /** Where the table of trades points to. */
  window.showTrade = (symbol, ms) => {
    const which = charts.findIndex((chartOf) => chartOf.symbol === symbol);
    const trade = which < 0 ? -1 : charts[which].trades.findIndex((found) => found.ms === ms);
    if (trade < 0) return;
    if (which !== state.which) show(which);
    focus(trade);
    byId("candles").scrollIntoView({ behavior: "smooth" });
  };

  chart(draw);
  byId("candle-chart").on("plotly_relayout", (event) => {
    const isMoved = "xaxis.range[0]" in event || "xaxis.range" in event || "xaxis.autorange" in event;
    if (!isMoved || Array.isArray(event["xaxis.tickvals"])) return; // our own move
    const range = byId("candle-chart").layout.xaxis.range.slice();
    const n = one().time.length;
    go(event["xaxis.autorange"] ? [-0.5, n - 0.5] : range);
  });
}
