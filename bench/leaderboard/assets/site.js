// Sorting, filters, plots that answer, and a copy button. Pages are complete without this script.
"use strict";

// --- tables that can be sorted -------------------------------------------------------------------------------

function keyOf(row, column) {
  const key = row.cells[column].dataset.key || "";
  return key !== "" && !Number.isNaN(Number(key)) ? Number(key) : key;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true, sensitivity: "base" });
}

function sort(table, column, direction) {
  const body = table.tBodies[0];
  const sign = direction === "descending" ? -1 : 1;
  const rows = Array.from(body.rows, (row) => ({ row, key: keyOf(row, column) }));
  rows.sort((a, b) => {
    if (a.key === "" || b.key === "") return (a.key === "") - (b.key === ""); // what is empty comes last
    return sign * compare(a.key, b.key);
  });
  body.append(...rows.map((entry) => entry.row));
  Array.from(table.tHead.rows[0].cells, (th, place) => {
    if (place === column) th.setAttribute("aria-sort", direction);
    else th.removeAttribute("aria-sort");
  });
}

function makeSortable(table) {
  Array.from(table.tHead.rows[0].cells, (th, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...th.childNodes);
    th.append(button);
    button.addEventListener("click", () => {
      const first = th.classList.contains("number") ? "descending" : "ascending";
      const other = first === "descending" ? "ascending" : "descending";
      sort(table, column, th.getAttribute("aria-sort") === first ? other : first);
      table.dispatchEvent(new CustomEvent("sorted", { bubbles: true }));
    });
  });
}

document.querySelectorAll("table[data-sortable]").forEach(makeSortable);

// --- filters, whose state is in the address ------------------------------------------------------------------

function setUp(form) {
  const table = document.getElementById(form.dataset.for);
  const rows = Array.from(table.tBodies[0].rows, (row) => ({ row, text: row.textContent.toLowerCase() }));
  const count = form.querySelector(".count");
  const fields = Array.from(form.elements).filter((field) => field.name);
  const initial = (field) => field.dataset.default || "";

  function fits(entry) {
    return fields.every((field) => {
      const wanted = field.value.trim();
      if (wanted === "") return true;
      if (field.name === "find") return wanted.toLowerCase().split(/\s+/).every((word) => entry.text.includes(word));
      const held = entry.row.dataset[field.name] || "";
      if (field.type === "number") return Number(held) >= Number(wanted);
      return held === "" || held === wanted; // a fact that a row does not have excludes it from nothing
    });
  }

  function apply() {
    let shown = 0;
    for (const entry of rows) {
      const keep = fits(entry);
      entry.row.hidden = !keep;
      shown += keep;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  }

  function remember() {
    const state = new URLSearchParams();
    for (const field of fields) if (field.value !== initial(field)) state.set(field.name, field.value);
    const heads = Array.from(table.tHead.rows[0].cells);
    const column = heads.findIndex((th) => th.hasAttribute("aria-sort"));
    if (column >= 0) state.set("sort", `${column}.${heads[column].getAttribute("aria-sort")}`);
    const text = state.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  function restore() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const field of fields) {
      field.value = state.has(field.name) ? state.get(field.name) : initial(field);
      if (field.tagName === "SELECT" && field.selectedIndex < 0) field.value = initial(field);
    }
    const found = /^(\d+)\.(ascending|descending)$/.exec(state.get("sort") || "");
    if (found && Number(found[1]) < table.tHead.rows[0].cells.length) sort(table, Number(found[1]), found[2]);
    apply();
  }

  form.hidden = false;
  form.addEventListener("input", () => { apply(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const field of fields) field.value = initial(field);
    apply();
    remember();
  });
  table.addEventListener("sorted", remember);
  window.addEventListener("hashchange", restore);
  restore();
}

document.querySelectorAll("form.filters").forEach(setUp);

// --- plots: the picture stays until Plotly has drawn, and where it cannot -------------------------------------

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const narrow = window.innerWidth < 700;
  const full = structuredClone(layout);
  full.paper_bgcolor = full.plot_bgcolor = "rgba(0,0,0,0)";
  if (narrow) full.margin = { ...full.margin, l: 45, r: 10 };
  full.font = { color: color("--ink"), size: 12, family: getComputedStyle(document.body).fontFamily };
  full.hoverlabel = { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--ink") }, namelength: -1 };
  full.modebar = { bgcolor: "rgba(0,0,0,0)", color: color("--soft"), activecolor: color("--link") };
  // on a phone below the title of the axis; a long legend shrinks the plot, and so this distance, to 45 pixels
  full.legend = narrow ? { orientation: "h", yanchor: "top", y: -80 / (layout.height - 86) } : { tracegroupgap: 0 };
  for (const name of Object.keys(full).filter((key) => /^[xy]axis/.test(key))) {
    Object.assign(full[name], { gridcolor: color("--line"), linecolor: color("--line"), zerolinecolor: color("--line") });
    if (narrow && name[0] === "x" && full[name].title) full[name].title.standoff = 4;
  }
  return full;
}

function drawLive(figure) {
  const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
  const live = figure.querySelector(".live");
  const still = figure.querySelector(".static");
  const options = {
    responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { format: "png", scale: 2, filename: "plot" },
  };
  live.hidden = false;
  window.Plotly.newPlot(live, data, themed(layout), options).then(() => { still.hidden = true; }, () => { live.hidden = true; });
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => window.Plotly.react(live, data, themed(layout), options));
}

if (window.Plotly) {
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      drawLive(entry.target);
    }
  }, { rootMargin: "400px" });
  for (const live of document.querySelectorAll("figure.plot .live")) {
    const figure = live.parentElement;
    if (window.innerWidth >= 700 || !figure.classList.contains("wide")) watcher.observe(figure);
  }
}

// --- the command of a run ------------------------------------------------------------------------------------

for (const button of document.querySelectorAll(".copy")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const code = button.parentElement.querySelector("code");
    const status = button.parentElement.querySelector("[role=status]");
    const said = (text) => { button.textContent = text; status.textContent = text; };
    const selected = () => {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      said(document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C");
    };
    if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(() => said("Copied"), selected);
    else selected();
  });
}
