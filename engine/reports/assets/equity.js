// Equity with its drawdown below, beside buy and hold.

function drawEquity() {
  const equity = report.equity;
  const state = { view: 0 };
  if (equity.views.length > 1) {
    addSelect(byId("equity-controls"), "Account", equity.views.map((view) => view.name), 0, (i) => {
      state.view = i;
      draw();
    });
  }
  const time = equity.time.map((ms) => new Date(ms));

  function curve(name, y, style) {
    return { type: "scatter", mode: "lines", name: plain(name), x: time, y, ...style };
  }

  function draw() {
    const view = equity.views[state.view];
    const traces = [];
    if (state.view === 0 && equity.views.length > 1) {
      const isFew = equity.views.length <= 13; // more lines than colours: a grey cloud, and no names
      equity.views.slice(1).forEach((one, i) => traces.push(curve(one.name, one.account, {
        line: { color: isFew ? lineColour(i) : colour("border"), width: 1 },
        opacity: isFew ? 0.75 : 0.5,
        showlegend: isFew,
        ...(isFew ? { hovertemplate: "%{y:,.0f}" } : { hoverinfo: "skip" }),
      })));
    }
    const grey = { color: "#999999", width: 1.5 };
    traces.push(
      curve("buy and hold", view.held, { line: grey, hovertemplate: "%{y:,.0f}" }),
      curve(view.name, view.account, { line: { color: colour("profit"), width: 2.5 }, hovertemplate: "<b>%{y:,.0f}</b>" }),
      curve("drawdown of buy and hold", view.held_drawdown, {
        yaxis: "y2", line: grey, visible: "legendonly", hovertemplate: "%{y:.2%}",
      }),
      curve("drawdown", view.drawdown, {
        yaxis: "y2", fill: "tozeroy", line: { color: colour("loss"), width: 1.5 }, hovertemplate: "%{y:.2%}",
      }),
    );
    const isFlat = view.drawdown.every((value) => value === 0);
    Plotly.react("equity-chart", traces, themed({
      height: 560,
      margin: { l: 76, r: 16, t: 16, b: 30 },
      hovermode: "x unified",
      hoversubplots: "axis",
      legend: { orientation: "h", y: -0.07, yanchor: "top" },
      xaxis: { anchor: "y2", type: "date", hoverformat: "%Y-%m-%d %H:%M UTC" },
      yaxis: { domain: [0.34, 1], title: { text: "equity" }, tickformat: ",.0f" },
      yaxis2: { domain: [0, 0.28], title: { text: "drawdown" }, tickformat: ".2~%", ...(isFlat ? { range: [-0.01, 0] } : { rangemode: "tozero" }) },
    }), settings("zoom2d", "pan2d", "resetScale2d"));
  }

  chart(draw);
}
