// What every part of the page shares: the data, the colours of the theme, numbers for people, controls.
// The data were computed in Python; nothing here computes what Python could have said.

const report = JSON.parse(document.getElementById("report-data").textContent);
const UNKNOWN = "–";
const redraws = []; // functions that draw a chart again, after the theme has changed

const byId = (id) => document.getElementById(id);

/** Text that Plotly shows as it is: its labels understand a little HTML. */
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The colour of a symbol's line, the same in every chart. */
function lineColour(i) {
  const names = getComputedStyle(document.documentElement).getPropertyValue("--lines").split(",");
  return names[i % names.length].trim();
}

/** Red, green and blue of "#rrggbb" or "rgb(r, g, b)". */
function channels(text) {
  if (text.startsWith("#")) return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
  return text.match(/[\d.]+/g).map(Number);
}

/** A colour between two, `share` of the way from the first. */
function mixed(from, to, share) {
  const [low, high] = [channels(from), channels(to)];
  return `rgb(${low.map((value, i) => Math.round(value + (high[i] - value) * share)).join(", ")})`;
}

function number(value, digits) {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A metric's value as people read it; the kinds are those of wording.py. */
function metricText(kind, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return UNKNOWN;
  if (kind === "percent") return `${number(value * 100, 2)}%`;
  if (kind === "count") return number(value, 0);
  if (kind === "amount") return number(value, Math.abs(value) < 1000 ? 2 : 0);
  return number(value, 2);
}

/** Labelled <select>; calls `changed` with the position chosen. */
function addSelect(parent, label, options, chosen, changed) {
  const box = document.createElement("label");
  box.textContent = label;
  const select = document.createElement("select");
  options.forEach((text, i) => {
    const option = document.createElement("option");
    option.value = String(i);
    option.textContent = text;
    select.append(option);
  });
  select.value = String(chosen);
  select.addEventListener("change", () => changed(Number(select.value)));
  box.append(select);
  parent.append(box);
  return select;
}

function addButton(parent, text, title, clicked) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.title = title;
  button.addEventListener("click", clicked);
  parent.append(button);
  return button;
}

/**
 * Settings of a chart, with the buttons named one by one: Plotly's own set has one that would send the
 * chart to its makers.
 */
function settings(...buttons) {
  return { displaylogo: false, responsive: true, plotlyServerURL: "", modeBarButtons: [["toImage", ...buttons]] };
}

/** Layout in the colours of the theme. */
function themed(layout) {
  const axis = {
    gridcolor: colour("grid"),
    linecolor: colour("border"),
    zerolinecolor: colour("border"),
    tickcolor: colour("border"),
    automargin: true,
  };
  const full = {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: colour("background"),
    font: { color: colour("text"), size: 13, family: getComputedStyle(document.body).fontFamily },
    margin: { l: 56, r: 16, t: 16, b: 44 },
    hoverlabel: {
      bgcolor: colour("background"),
      bordercolor: colour("border"),
      font: { color: colour("text"), size: 13 },
      align: "left",
    },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("muted"), activecolor: colour("accent") },
    ...layout,
  };
  for (const name of Object.keys(full)) {
    if (!/^[xy]axis\d*$/.test(name)) continue;
    full[name] = { ...axis, ...full[name] };
    if (full[name].title) full[name].title.font = { size: 13, color: colour("muted") };
  }
  return full;
}

/** Draw one thing; what goes wrong there is reported and keeps nothing else from being drawn. */
function attempt(draw) {
  try {
    draw();
  } catch (error) {
    reportError(error);
  }
}

/** Draw now, and again whenever the theme changes. */
function chart(draw) {
  redraws.push(draw);
  draw();
}
