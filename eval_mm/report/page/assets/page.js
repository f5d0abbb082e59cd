"use strict";
// What the whole page shares: making elements, the address after "#", views, the theme.
const byId = (id) => document.getElementById(id);
const config = JSON.parse(byId("config").textContent);

// Data only ever becomes text here: there is no markup from data anywhere in these scripts.
function element(tag, attributes = {}, ...children) {
  const made = tag === "svg" || tag === "rect" ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

// #<task>/<sample>?run=<run>, each part encoded; #~<id> is a part of the overview. A list of samples that changed
// is #<task>?run=<run>&than=<other run>&change=gained.
function address(task, sample = null, run = null) {
  const place = encodeURIComponent(task) + (sample === null ? "" : `/${encodeURIComponent(sample)}`);
  return `#${place}${run === null ? "" : `?run=${encodeURIComponent(run)}`}`;
}

function readAddress() {
  const [place, query = ""] = location.hash.slice(1).split(/\?(.*)/s);
  const [task, ...rest] = place.split("/");
  const asked = new URLSearchParams(query);
  try {
    return {
      task: decodeURIComponent(task),
      sample: rest.length ? decodeURIComponent(rest.join("/")) : null,
      run: asked.get("run"), than: asked.get("than"), change: asked.get("change"),
    };
  } catch {
    return {task: place, sample: null, run: null, than: null, change: null};
  }
}

// What an address names and this report does not have is said, where the rest of it is shown.
function tellAbsent(told, place) {
  byId("absent").textContent = told;
  byId("absent").hidden = false;
  place.before(byId("absent"));
}

const views = [...document.querySelectorAll(".view")];

function show() {
  const wanted = readAddress();
  const view = views.find((one) => one.dataset.view === wanted.task) || views[0];
  const part = wanted.task.startsWith("~") ? byId(wanted.task.slice(1)) : null;
  byId("absent").hidden = true;
  if (part === null && view.dataset.view !== wanted.task) tellAbsent(`"${wanted.task}" is not in this report.`, view.firstElementChild);
  const changed = !view.classList.contains("shown");
  for (const one of views) one.classList.toggle("shown", one === view);
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.view === view.dataset.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("nav").querySelector("[aria-current]").scrollIntoView({block: "nearest"});
  const known = config.tasks.find((task) => task.name === view.dataset.view);
  byId("go").value = known ? address(known.name) : "#";
  document.title = known ? `${known.title}: evaluation report` : "Evaluation report";
  openTask(known ? known.name : null, wanted, view);
  if (part) part.scrollIntoView();
  else if (changed && wanted.sample === null && wanted.change === null) scrollTo(0, 0);
}

const THEMES = ["auto", "light", "dark"];

function storedTheme() {
  try { return localStorage.getItem("eval_mm-theme"); } catch { return null; }
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
  try { localStorage.setItem("eval_mm-theme", theme); } catch { /* a browser that keeps nothing */ }
}

byId("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || "auto";
  setTheme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
});
byId("go").addEventListener("change", (event) => { location.hash = event.target.value; });
byId("help-open").addEventListener("click", () => byId("help").showModal());
for (const box of document.querySelectorAll("[data-series]")) {
  box.addEventListener("change", () => {
    document.querySelector(`.series[data-run="${box.dataset.series}"]`).toggleAttribute("hidden", !box.checked);
  });
}
if (THEMES.includes(storedTheme())) setTheme(storedTheme());
document.documentElement.classList.add("scripted");
if (byId("glance")) requestAnimationFrame(() => { byId("glance").scrollLeft = (byId("glance").scrollWidth - byId("glance").clientWidth) / 2; });
