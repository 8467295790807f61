// The cube: a heat map over two axes, a line over one, dots for listed trials.

/** Colours from the least value to the greatest; gains and losses part at zero, at one strength for both. */
function scaleOf(metric, values) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return { zmin: 0, zmax: 1, colorscale: [[0, colour("neutral")], [1, colour("neutral")]] };
  const low = known.reduce((a, b) => Math.min(a, b), Infinity);
  const high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  const [loss, neutral, profit, accent] = ["loss", "neutral", "profit", "accent"].map(colour);
  const span = { zmin: low, zmax: high };
  if (metric.is_signed && low < 0 && high > 0) {
    const far = Math.max(-low, high);
    const ends = [mixed(neutral, loss, -low / far), mixed(neutral, profit, high / far)];
    return { ...span, colorscale: [[0, ends[0]], [-low / (high - low), neutral], [1, ends[1]]] };
  }
  const isLoss = metric.name === "max_drawdown" || (metric.is_signed && high <= 0);
  if (isLoss) return { ...span, colorscale: [[0, loss], [1, neutral]] };
  return { ...span, colorscale: [[0, neutral], [1, metric.is_signed ? profit : accent]] };
}

/** Text that can be read on the colour of its cell. */
function inkOn({ zmin, zmax, colorscale }, value) {
  const share = zmax > zmin ? (value - zmin) / (zmax - zmin) : 0;
  const after = Math.max(1, colorscale.findIndex(([at]) => at >= share));
  const [[from, low], [to, high]] = [colorscale[after - 1], colorscale[after]];
  const [r, g, b] = channels(mixed(low, high, (share - from) / (to - from || 1)));
  return 0.299 * r + 0.587 * g + 0.114 * b > 130 ? "#101010" : "#ffffff";
}

/** Some twelve of the labels of an axis that is drawn by position. */
function ticksOf(labels, most) {
  const every = Math.ceil(labels.length / most);
  const at = labels.map((_, i) => i).filter((i) => i % every === 0);
  return { tickmode: "array", tickvals: at, ticktext: at.map((i) => plain(labels[i])) };
}

function strides(axes) {
  const steps = new Array(axes.length).fill(1);
  for (let i = axes.length - 2; i >= 0; i--) steps[i] = steps[i + 1] * axes[i + 1].labels.length;
  return steps;
}

/** Every metric of one trial, for hovering. */
function allMetrics(cube, view, flat) {
  return cube.metrics
    .map((metric) => `${plain(metric.label)}  <b>${metricText(metric.kind, cube.values[metric.name][view][flat])}</b>`)
    .join("<br>");
}

function replayCall(pairs) {
  const cell = pairs.map(([name, value]) => {
    const exact = JSON.stringify(value);
    return name.includes(".") ? `**{${JSON.stringify(name)}: ${exact}}` : `${name}=${exact}`;
  });
  return `fx.replay(cube, market, ${cell.join(", ")})`;
}

function say(pairs, text) {
  const line = byId("cube-picked");
  line.textContent = text;
  const code = document.createElement("code");
  code.textContent = replayCall(pairs);
  line.append(" Replay it: ", code);
}

function drawHeatMap(cube) {
  const controls = byId("cube-controls");
  const axes = cube.axes;
  const steps = strides(axes);
  const names = axes.map((axis) => axis.name);
  const isRanked = report.scores.n_defined > 0; // else no trial is the best
  const state = { metric: 0, view: 0, x: names.indexOf(cube.across_up[0]), y: names.indexOf(cube.across_up[1]) };
  state.at = [...cube.best];

  addSelect(controls, "Show", cube.metrics.map((metric) => metric.label), 0, (i) => change({ metric: i }));
  if (cube.views.length > 1) addSelect(controls, "of", cube.views, 0, (i) => change({ view: i }));
  const free = axes.map((axis, i) => i).filter((i) => axes[i].labels.length > 1);
  const freeNames = free.map((i) => names[i]);
  const across = addSelect(controls, "across", freeNames, free.indexOf(state.x), (k) => swap("x", "y", free[k]));
  const up = addSelect(controls, "up", freeNames, free.indexOf(state.y), (k) => swap("y", "x", free[k]));
  const others = document.createElement("span");
  others.className = "controls";
  controls.append(others);

  function swap(mine, other, axis) {
    if (state[other] === axis) state[other] = state[mine];
    state[mine] = axis;
    across.value = String(free.indexOf(state.x));
    up.value = String(free.indexOf(state.y));
    change({});
  }

  function listOthers() {
    others.replaceChildren();
    for (const i of free) {
      if (i === state.x || i === state.y) continue;
      const options = axes[i].labels.map((label, k) => (k === cube.best[i] ? `${label} (best)` : label));
      addSelect(others, names[i], options, state.at[i], (k) => {
        state.at[i] = k;
        draw();
      });
    }
  }

  function change(what) {
    Object.assign(state, what);
    listOthers();
    draw();
  }

  function flatAt(ix, iy) {
    return axes.reduce((sum, _, i) => sum + steps[i] * (i === state.x ? ix : i === state.y ? iy : state.at[i]), 0);
  }

  function isHere(mark) {
    return mark && isRanked && axes.every((_, i) => i === state.x || i === state.y || mark[i] === state.at[i]);
  }

  function draw() {
    const metric = cube.metrics[state.metric];
    const values = cube.values[metric.name][state.view];
    const [xAxis, yAxis] = [axes[state.x], axes[state.y]];
    const z = yAxis.labels.map((_, iy) => xAxis.labels.map((_, ix) => values[flatAt(ix, iy)]));
    const hover = yAxis.labels.map((yLabel, iy) =>
      xAxis.labels.map((xLabel, ix) => {
        const head = `${plain(xAxis.name)} ${plain(xLabel)}, ${plain(yAxis.name)} ${plain(yLabel)}`;
        return `<b>${head}</b><br>${allMetrics(cube, state.view, flatAt(ix, iy))}`;
      }),
    );
    const nCells = xAxis.labels.length * yAxis.labels.length;
    const isRoomy = xAxis.labels.length <= 14 && nCells <= 220;
    const scale = scaleOf(metric, values);
    const trace = {
      type: "heatmap",
      z,
      hovertext: hover,
      hovertemplate: "%{hovertext}<extra></extra>",
      xgap: nCells <= 2000 ? 1 : 0,
      ygap: nCells <= 2000 ? 1 : 0,
      colorbar: {
        title: { text: plain(metric.label), side: "right", font: { size: 13, color: colour("muted") } },
        tickformat: metric.kind === "percent" ? ".1%" : undefined,
        thickness: 14,
        outlinewidth: 0,
      },
      ...scale,
    };
    const cells = isRoomy ? z.flatMap((row, iy) => row.map((value, ix) => [ix, iy, value])) : [];
    const written = {
      type: "scatter",
      mode: "text",
      x: cells.map(([ix]) => ix),
      y: cells.map(([, iy]) => iy),
      text: cells.map(([, , value]) => metricText(metric.kind, value)),
      textfont: { color: cells.map(([, , value]) => inkOn(scale, value)) },
      hoverinfo: "skip",
      showlegend: false,
    };
    const marks = [];
    if (isHere(cube.best)) marks.push([cube.best, "best", "solid"]);
    const sameTrial = cube.shown && cube.shown.every((k, i) => k === cube.best[i]);
    if (!sameTrial && isHere(cube.shown)) marks.push([cube.shown, "shown below", "dot"]);
    const boxes = marks.map(([mark, , dash]) => ({
      type: "rect",
      x0: mark[state.x] - 0.5,
      x1: mark[state.x] + 0.5,
      y0: mark[state.y] - 0.5,
      y1: mark[state.y] + 0.5,
      line: { color: colour("text"), width: 3, dash },
    }));
    Plotly.react("cube-chart", [trace, written], themed({
      height: Math.min(640, Math.max(320, 110 + 40 * yAxis.labels.length)),
      xaxis: { title: { text: plain(xAxis.name) }, showgrid: false, zeroline: false, fixedrange: true, ...ticksOf(xAxis.labels, 14) },
      yaxis: { title: { text: plain(yAxis.name) }, showgrid: false, zeroline: false, fixedrange: true, ...ticksOf(yAxis.labels, 16) },
      shapes: boxes,
    }), settings());
    legend(marks.map(([, name]) => name));
  }

  function legend(found) {
    const words = { best: "Solid frame: the best trial.", "shown below": "Dotted frame: the trial shown below." };
    byId("cube-legend").textContent = found.map((name) => words[name]).join(" ");
  }

  listOthers();
  chart(draw);
  byId("cube-chart").on("plotly_click", (event) => {
    const { x, y } = event.points[0];
    const pairs = axes.map((axis, i) => [axis.name, axis.values[i === state.x ? x : i === state.y ? y : state.at[i]]]);
    const metric = cube.metrics[state.metric];
    const value = cube.values[metric.name][state.view][flatAt(x, y)];
    say(pairs, `${metric.label} ${metricText(metric.kind, value)} (${cube.views[state.view]}).`);
  });
}

function drawLine(cube) {
  const axis = cube.axes.find((one) => one.labels.length > 1);
  const which = cube.axes.indexOf(axis);
  const state = { metric: 0 };
  addSelect(byId("cube-controls"), "Show", cube.metrics.map((metric) => metric.label), 0, (i) => {
    state.metric = i;
    draw();
  });
  const x = axis.labels.map((_, i) => i);

  function draw() {
    const metric = cube.metrics[state.metric];
    const rows = cube.values[metric.name];
    const traces = rows.map((values, view) => ({
      type: "scatter",
      mode: view === 0 ? "lines+markers" : "lines",
      name: plain(cube.views[view]),
      x,
      y: values,
      text: values.map((_, i) => (view === 0 ? allMetrics(cube, 0, i) : metricText(metric.kind, values[i]))),
      hovertemplate: `<b>${plain(axis.name)} %{customdata}</b><br>%{text}<extra>${plain(cube.views[view])}</extra>`,
      customdata: axis.labels.map(plain),
      line: view === 0 ? { color: colour("text"), width: 3 } : { color: lineColour(view - 1), width: 1 },
      opacity: view === 0 ? 1 : 0.75,
    }));
    const best = cube.best[which];
    traces.push({
      type: "scatter",
      mode: "markers",
      name: "best trial",
      x: [best],
      y: [rows[0][best]],
      hoverinfo: "skip",
      marker: { symbol: "circle-open", size: 16, color: colour("profit"), line: { width: 3 } },
    });
    Plotly.react("cube-chart", traces.reverse(), themed({
      height: 440,
      legend: { orientation: "h", y: -0.16, yanchor: "top", traceorder: "reversed" },
      margin: { l: 64, r: 16, t: 16, b: 48 },
      xaxis: { title: { text: plain(axis.name) }, ...ticksOf(axis.labels, 18) },
      yaxis: { title: { text: plain(metric.label) }, tickformat: metric.kind === "percent" ? ".1%" : undefined },
      hovermode: "closest",
    }), settings("zoom2d", "resetScale2d"));
  }

  chart(draw);
}

/** A parameter's value: a number to five digits, or the name of a choice. */
function settingText(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(5))) : plain(value ?? UNKNOWN);
}

function drawScatter(cube) {
  const controls = byId("cube-controls");
  const state = { metric: 0, view: 0, x: 0 };
  const change = (what) => {
    Object.assign(state, what);
    draw();
  };
  addSelect(controls, "Show", cube.metrics.map((metric) => metric.label), 0, (i) => change({ metric: i }));
  if (cube.views.length > 1) addSelect(controls, "of", cube.views, 0, (i) => change({ view: i }));
  addSelect(controls, "against", cube.params.map((param) => param.name), 0, (i) => change({ x: i }));

  function draw() {
    const metric = cube.metrics[state.metric];
    const values = cube.values[metric.name][state.view];
    const param = cube.params[state.x];
    const isNamed = param.values.some((value) => typeof value === "string");
    const across = isNamed ? param.values.map((value) => plain(value)) : param.values;
    const text = values.map((_, i) => {
      const own = cube.params.map((one) => `${plain(one.name)} ${settingText(one.values[i])}`).join(", ");
      return `<b>${own}</b><br>${allMetrics(cube, state.view, i)}`;
    });
    const trace = {
      type: "scatter",
      mode: "markers",
      name: "trials",
      x: across,
      y: values,
      text,
      hovertemplate: "%{text}<extra></extra>",
      marker: { size: 7, color: colour("accent"), opacity: 0.7 },
    };
    const best = {
      type: "scatter",
      mode: "markers",
      name: "best trial",
      x: [across[cube.best]],
      y: [values[cube.best]],
      hoverinfo: "skip",
      marker: { symbol: "circle-open", size: 16, color: colour("text"), line: { width: 3 } },
    };
    Plotly.react("cube-chart", [trace, best], themed({
      height: 440,
      showlegend: false,
      hovermode: "closest",
      xaxis: { title: { text: plain(param.name) }, type: isNamed ? "category" : "linear" },
      yaxis: { title: { text: plain(metric.label) }, tickformat: metric.kind === "percent" ? ".1%" : undefined },
    }), settings("zoom2d", "resetScale2d"));
  }

  byId("cube-legend").textContent = "Each dot is a trial; the ring is the best one.";
  chart(draw);
}

function drawScores() {
  const scores = report.scores;
  if (!scores || !scores.counts.length) return;
  const metric = report.cube.metrics[0];
  const middles = scores.counts.map((_, i) => (scores.edges[i] + scores.edges[i + 1]) / 2);
  const width = scores.edges[1] - scores.edges[0];
  const line = (x, name) => ({ type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line: { color: colour(name), width: 2 } });
  const near = (scores.edges.at(-1) - scores.edges[0]) * 0.1;
  const said = [[scores.median, "median", "muted"], [scores.p90, "90th percentile", "warn"], [scores.best, "best", "profit"]];
  const lift = said.map(([x], i) => said.slice(0, i).filter(([other]) => Math.abs(other - x) < near).length);
  chart(() => {
    Plotly.react("scores-chart", [{
      type: "bar",
      x: middles,
      y: scores.counts,
      width: width * 0.96,
      marker: { color: colour("accent") },
      customdata: middles.map((_, i) => `${metricText(metric.kind, scores.edges[i])} to ${metricText(metric.kind, scores.edges[i + 1])}`),
      hovertemplate: "%{y} trials with %{customdata}<extra></extra>",
    }], themed({
      height: 210,
      margin: { l: 48, r: 24, t: 20 + 18 * Math.max(...lift), b: 44 },
      bargap: 0,
      xaxis: { title: { text: plain(metric.label) }, tickformat: metric.kind === "percent" ? ".1%" : undefined },
      yaxis: { title: { text: "trials" }, rangemode: "tozero" },
      shapes: said.map(([x, , name]) => line(x, name)),
      annotations: said.map(([x, text, name], i) => ({
        x, y: 1.02 + 0.12 * lift[i], yref: "paper", yanchor: "bottom", showarrow: false, text, font: { color: colour(name), size: 12 },
      })),
    }), settings());
  });
}

function drawCube() {
  const draw = { heat_map: drawHeatMap, line: drawLine, scatter: drawScatter }[report.cube.kind];
  if (draw) draw(report.cube);
}
