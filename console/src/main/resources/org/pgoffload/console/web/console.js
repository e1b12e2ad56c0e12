// What the pages do besides htmx. Every page works without it.
"use strict";

// Times in the reader's zone; the server writes UTC.
function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.textContent = format.format(at);
      time.title = time.dateTime;
    }
  }
}

// Buttons that copy an element's text.
function copyButtons(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = !navigator.clipboard;
  }
}

function say(words) {
  document.getElementById("notice").textContent = words;
}

// What keeps the page from being up to date, said until it is again.
let behind = false;

function sayBehind(words) {
  behind = true;
  say(words);
}

function sayUpToDate() {
  if (behind) {
    behind = false;
    say("");
  }
}

// Charts: the frame stays, the values come with each part of the page that has some.
const charts = new Map();

function drawCharts(root) {
  for (const series of root.querySelectorAll("[data-series]")) {
    const frame = document.querySelector(`[data-chart="${series.dataset.series}"]`);
    if (!frame || !window.uPlot) {
      continue;
    }
    const values = JSON.parse(series.dataset.values);
    const data = [values.x, ...values.y];
    const drawn = charts.get(frame);
    if (drawn) {
      drawn.setData(data);
    } else {
      charts.set(frame, newChart(frame, values.labels, data));
    }
  }
}

function newChart(frame, labels, data) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const short = new Intl.NumberFormat(undefined, { notation: "compact" });
  const lines = ["--accent", labels.includes("failed") ? "--bad" : "--good"];
  const chart = new uPlot({
    width: frame.clientWidth,
    height: 150,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_, low, high) => [0, Math.max(high, 1)] } },
    axes: [axis, { ...axis, size: 60, values: (_, ticks) => ticks.map((tick) => short.format(tick)) }],
    series: [{}, ...labels.map((label, i) => ({ label, stroke: colour(lines[i]), width: 1.5, points: { show: false } }))],
  }, data, frame);
  new ResizeObserver(() => chart.setSize({ width: frame.clientWidth, height: 150 })).observe(frame);
  return chart;
}

// Elements that the server keeps up to date.
function follow(root) {
  for (const element of root.querySelectorAll("[data-events]")) {
    const source = new EventSource(element.dataset.events);
    let told = false;
    source.addEventListener("show", (event) => {
      sayUpToDate();
      // a reader who is in it with the keyboard is not thrown out
      if (!element.contains(document.activeElement)) {
        element.innerHTML = event.data;
        prepare(element);
      }
    });
    // the console answers, and says what is wrong; then it ends the stream, which comes again by itself
    source.addEventListener("problem", (event) => {
      told = true;
      sayBehind(event.data);
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) {
        sayBehind("This page is not kept up to date any more. Load it again.");
      } else if (!told) {
        sayBehind("The console does not answer. This page goes on when it does.");
      }
      told = false;
    });
    window.addEventListener("pagehide", () => source.close());
  }
}

function prepare(root) {
  localTimes(root);
  copyButtons(root);
  drawCharts(root);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) {
    event.preventDefault();
    const text = document.getElementById(button.dataset.copy).textContent;
    navigator.clipboard.writeText(text).then(() => say("Copied."), () => say("The browser does not let copy."));
  }
});

document.addEventListener("htmx:load", (event) => prepare(event.detail.elt));
document.addEventListener("htmx:responseError", (event) => {
  const problem = event.detail.xhr.getResponseHeader("X-Problem");
  sayBehind(problem ? decodeURIComponent(problem) : "The console does not answer as expected.");
});
document.addEventListener("htmx:sendError", () => sayBehind("The console does not answer. This page goes on when it does."));
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) {
    sayUpToDate();
  }
});
prepare(document);
follow(document);
