// Tables that sort, a theme that switches, and the charts drawn once.

function sortBy(table, column, head) {
  const isDown = head.getAttribute("aria-sort") !== "descending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
  const isNumber = head.classList.contains("number");
  const key = (row) => row.cells[column].dataset.key;
  const compare = (a, b) => {
    if (!isNumber) return key(a).localeCompare(key(b));
    const [left, right] = [Number(key(a)), Number(key(b))];
    if (Number.isNaN(left) || Number.isNaN(right)) return 0;
    return left - right;
  };
  const known = (row) => !isNumber || !Number.isNaN(Number(key(row)));
  const rows = [...table.tBodies[0].rows];
  const sorted = rows.filter(known).sort((a, b) => (isDown ? compare(b, a) : compare(a, b)));
  table.tBodies[0].append(...sorted, ...rows.filter((row) => !known(row)));
}

function makeSortable() {
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      head.addEventListener("click", () => sortBy(table, column, head));
    });
  }
  for (const row of document.querySelectorAll("tr[data-mark]")) {
    row.title = "show it on the candles";
    row.addEventListener("click", () => {
      const [ms, ...symbol] = row.dataset.mark.split(" ");
      window.showTrade(symbol.join(" "), Number(ms));
    });
  }
}

/** Light or dark as the reader's system asks, until the button says otherwise. */
function setUpTheme() {
  const root = document.documentElement;
  const asked = matchMedia("(prefers-color-scheme: light)");
  const button = byId("theme");
  const set = (name) => {
    root.dataset.theme = name;
    button.textContent = name === "light" ? "Dark" : "Light";
    redraws.forEach(attempt);
  };
  set(asked.matches ? "light" : "dark");
  asked.addEventListener("change", () => set(asked.matches ? "light" : "dark"));
  button.addEventListener("click", () => set(root.dataset.theme === "light" ? "dark" : "light"));
}

[setUpTheme, makeSortable, drawCube, drawScores, drawEquity, drawCandles].forEach(attempt);
document.documentElement.dataset.drawn = "yes"; // what a test waits for
