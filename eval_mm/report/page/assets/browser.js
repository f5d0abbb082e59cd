// The failure browser: which samples are listed, which one is shown, and the keyboard.
const ROW = 52, AROUND = 8;
const FILTERS = [
  ["all", "All", () => true],
  ["wrong", "Wrong", (outcome) => outcome === "wrong" || outcome === "unparsed" || outcome === "errors"],
  ["partly", "Partly right", (outcome) => outcome === "partly"],
  ["right", "Right", (outcome) => outcome === "right"],
  ["unparsed", "Unparsed", (outcome) => outcome === "unparsed"],
  ["errors", "Failed", (outcome) => outcome === "errors"],
];
const parsed = new Map();
// The open task: its data, the run that is shown (which group, which of its runs), the list, the sample.
const now = {task: null, data: null, group: null, turn: 0, list: [], position: null, filter: "all", texts: new Map()};

function taskData(task) {
  if (!parsed.has(task)) {
    const block = [...document.querySelectorAll("script[data-task]")].find((one) => one.dataset.task === task);
    parsed.set(task, block ? JSON.parse(block.textContent) : {members: [], groups: []});
  }
  return parsed.get(task);
}

function option(value, name) {
  return element("option", {value}, name);
}

// Called for every change of the address; `task` is null on the overview.
function openTask(task, wanted, view) {
  const browser = byId("browser");
  if (task === null || !taskData(task).groups.length) {
    browser.hidden = true;
    now.task = null;
    return;
  }
  if (now.task !== task) {
    Object.assign(now, {task, data: taskData(task), group: null, position: null, filter: "all"});
    byId("search").value = "";
    byId("order").value = "worst";
    const entries = now.data.groups.flatMap((group, place) => group.runs.map((run, turn) => [`${place}/${turn}`, config.runs[run.run].name]));
    byId("run").replaceChildren(...entries.map(([value, name]) => option(value, name)));
  }
  browser.hidden = false;
  view.append(browser);
  for (const run of [wanted.run, wanted.than]) {
    if (run === null || now.data.groups.some((group) => group.runs.some((one) => config.runs[one.run].name === run))) continue;
    const known = config.runs.some((one) => one.name === run);
    tellAbsent(known ? `The run "${run}" has no samples of this task.` : `The run "${run}" is not in this report.`, byId("filters"));
  }
  chooseRun(wanted);
  if (wanted.change !== null) showChanges(wanted);
  if (wanted.sample !== null) {
    const position = now.group.listing.ids.indexOf(wanted.sample);
    if (position >= 0) {
      if (!now.list.includes(position)) relax();
      select(position, false);
    } else byId("sample").replaceChildren(element("p", {class: "nothing"}, `No sample "${wanted.sample}" is listed here.`));
    byId("browser").scrollIntoView();
  }
}

function showChanges(wanted) {
  relax();
  const other = now.group.runs.findIndex((run) => config.runs[run.run].name === wanted.than);
  if (other >= 0 && other !== now.turn) byId("other").value = String(other);
  byId("changed").value = wanted.change;
  if (byId("changed").selectedIndex < 0) byId("changed").value = "";
  refresh();
  byId("browser").scrollIntoView();
}

// Takes back filters that would hide the sample somebody asked for.
function relax() {
  now.filter = "all";
  byId("search").value = byId("category").value = byId("changed").value = "";
  refresh();
}

function chooseRun(wanted) {
  const entries = now.data.groups.flatMap((group, place) => group.runs.map((run, turn) => ({group, place, turn, name: config.runs[run.run].name})));
  const chosen = entries.find((one) => one.name === wanted.run)
    || entries.find((one) => one.group === now.group && one.turn === now.turn)
    || entries.find((one) => wanted.sample !== null && one.group.listing.ids.includes(wanted.sample))
    || entries[0];
  byId("run").value = `${chosen.place}/${chosen.turn}`;
  const isOther = chosen.group !== now.group;
  if (!isOther && chosen.turn === now.turn && now.list.length) return;
  now.group = chosen.group;
  now.turn = chosen.turn;
  now.texts.clear();
  if (isOther) newGroup();
  tellCut();
  refresh();
}

function newGroup() {
  const {labels} = now.group.listing;
  byId("category").replaceChildren(option("", "all"), ...labels.map((label, place) => option(String(place), label)));
  byId("category-field").hidden = !labels.length;
  byId("changed").value = "";
}

function tellCut() {
  const {counts, problem, runs} = now.group;
  const number = (count) => count.toLocaleString("en");
  const told = [];
  if (counts.listed < counts.scored) told.push(`Listed are the worst ${number(counts.listed)} of ${number(counts.scored)} samples.`);
  if (counts.text < counts.listed) told.push(`Text of the worst ${number(counts.text)} of ${number(counts.scored)} samples fits into this file; a search finds the others by their ids.`);
  if (counts.pictures < counts.pictured) told.push(`Pictures are here of ${number(counts.pictures)} of these ${number(counts.pictured)} samples${counts.full ? ", as many as fit into this file" : counts.better ? `: the worst ${number(config.maxSamples)} of each run` : ""}.`);
  if (counts.unreadable) told.push(`Of ${number(counts.unreadable)} pictures the files could not be read when the report was made.`);
  if (problem) told.push(`Questions, references and pictures are not shown: ${problem}`);
  told.push(...runs[now.turn].problems);
  byId("told").textContent = told.map((one) => one.replace(/\.?$/, ".")).join(" ");
  byId("told").hidden = !told.length;
}

// The runs one can compare with: those that were asked the same rows.
function offerOthers() {
  const field = byId("other"), before = field.value;
  const others = now.group.runs.map((run, turn) => [String(turn), config.runs[run.run].name]).filter(([turn]) => turn !== String(now.turn));
  field.replaceChildren(...others.map(([turn, name]) => option(turn, name)));
  if (others.some(([turn]) => turn === before)) field.value = before;
  byId("other-field").hidden = byId("changed-field").hidden = !others.length;
  if (!others.length) byId("changed").value = "";
  else for (const [kind, title] of Object.entries(directions())) byId("changed").querySelector(`[value="${kind}"]`).textContent = title;
}

// Of two runs the later one of the report is seen from the earlier one, as `compare` does, whichever is shown.
function pair() {
  const other = Number(byId("other").value);
  return [Math.min(now.turn, other), Math.max(now.turn, other)];
}

function directions() {
  const [first, second] = pair().map((turn) => config.runs[now.group.runs[turn].run].name);
  return {gained: `gained: better in ${second} than in ${first}`, lost: `lost: better in ${first} than in ${second}`};
}

function searchText(position) {
  if (!now.texts.has(position)) {
    const sample = now.group.samples[position] || {}, answer = now.group.answers[now.turn][position] || {};
    const parts = [now.group.listing.ids[position], sample.q, ...(sample.c || []), ...(sample.r || []).map((one) => one[0]), answer.t, answer.a, answer.x];
    now.texts.set(position, parts.filter(Boolean).join("\n").toLowerCase());
  }
  return now.texts.get(position);
}

function change(position, kind) {
  const [before, after] = pair().map((turn) => now.group.listing.values[turn][position]);
  if (before === ABSENT || after === ABSENT) return false;
  const gain = worth(after) - worth(before);
  return kind === "gained" ? gain > 0 : kind === "lost" ? gain < 0 : gain !== 0;
}

function refresh() {
  offerOthers();
  const {listing, runs} = now.group, values = listing.values[now.turn], isScored = runs[now.turn].scored;
  const category = byId("category").value === "" ? null : Number(byId("category").value);
  const kind = byId("changed").value;
  const wanted = byId("search").value.trim().toLowerCase();
  const matching = [];
  for (let position = 0; position < values.length; position += 1) {
    if (values[position] === ABSENT) continue;
    if (category !== null && !(listing.of[position] || []).includes(category)) continue;
    if (kind && !change(position, kind)) continue;
    if (wanted && !searchText(position).includes(wanted)) continue;
    matching.push(position);
  }
  const outcomes = new Map(matching.map((position) => [position, outcomeOf(values[position], isScored)]));
  offerFilters(matching, outcomes);
  const [, , passes] = FILTERS.find(([name]) => name === now.filter);
  now.list = matching.filter((position) => passes(outcomes.get(position)));
  const order = byId("order").value;
  if (order !== "data") {
    const rank = (position) => (values[position] === ERROR ? -2 : values[position] === null ? -1 : values[position]);
    now.list.sort((a, b) => (order === "worst" ? 1 : -1) * (rank(a) - rank(b)) || a - b);
  }
  const told = directionTold(kind);
  byId("count").textContent = `${told}${now.list.length.toLocaleString("en")} of ${values.filter((value) => value !== ABSENT).length.toLocaleString("en")} samples`;
  byId("rows").style.height = now.list.length ? `${now.list.length * ROW}px` : "";
  byId("panes").classList.toggle("empty", !now.list.length);
  if (!now.list.includes(now.position)) now.position = now.list.length ? now.list[0] : null;
  scrollList();
  drawRows();
  renderChosen();
}

function directionTold(kind) {
  if (!kind) return "";
  return `${directions()[kind] || "changed between the two runs"}. `;
}

// Somebody changed what is listed: the address is that of the sample which is shown now.
function rework() {
  refresh();
  tellAddress();
}

function tellAddress() {
  byId("absent").hidden = true;
  const place = address(now.task, now.position === null ? null : now.group.listing.ids[now.position], runName());
  try { history.replaceState(null, "", place); } catch { /* a browser that takes only so many in a while */ }
}

function offerFilters(matching, outcomes) {
  const chips = FILTERS.map(([name, title, passes]) => {
    const count = matching.filter((position) => passes(outcomes.get(position))).length;
    if (!count && name !== "all" && name !== now.filter && name !== "wrong") return null;
    const chip = element("button", {type: "button", "aria-pressed": String(name === now.filter), "data-filter": name}, title, element("b", {}, count.toLocaleString("en")));
    chip.addEventListener("click", () => setFilter(name));
    return chip;
  });
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.filter : undefined;
  byId("outcomes").replaceChildren(...chips.filter(Boolean));
  if (focused) byId("outcomes").querySelector(`[data-filter="${focused}"]`)?.focus();
}

function setFilter(name) {
  now.filter = name;
  rework();
}

// Only the rows in sight are elements, so that ten thousand samples cost what twenty do.
function drawRows() {
  const list = byId("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - AROUND);
  const last = Math.min(now.list.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + AROUND);
  const rows = [];
  for (let place = first; place < last; place += 1) rows.push(rowOf(now.list[place], place));
  const isNone = now.group.listing.values[now.turn].every((value) => value === ABSENT);
  if (!now.list.length) rows.push(element("p", {class: "nothing"}, isNone ? "No sample of this run is here." : "No sample passes these filters."));
  byId("rows").replaceChildren(...rows);
  const chosen = now.list.indexOf(now.position);
  if (chosen >= first && chosen < last) list.setAttribute("aria-activedescendant", `row-${now.position}`);
  else list.removeAttribute("aria-activedescendant");
}

function rowOf(position, place) {
  const value = now.group.listing.values[now.turn][position];
  const outcome = outcomeOf(value, now.group.runs[now.turn].scored);
  const sample = now.group.samples[position], answer = now.group.answers[now.turn][position];
  const said = sample ? sample.q || (answer ? answer.a : "") : "";
  const row = element("div", {
    class: "row", role: "option", id: `row-${position}`, "aria-selected": String(position === now.position),
    "aria-setsize": String(now.list.length), "aria-posinset": String(place + 1),
  },
  element("span", {class: `sign ${outcome}`, title: OUTCOMES[outcome].name, "aria-label": OUTCOMES[outcome].name, role: "img"}, OUTCOMES[outcome].sign),
  element("span", {}, element("div", {class: "id"}, element("bdi", {}, now.group.listing.ids[position])), element("div", {class: "said", dir: "auto"}, said || " ")),
  element("span", {class: "score"}, outcome === "partly" ? scoreText(value) : ""));
  row.style.top = `${place * ROW}px`;
  row.addEventListener("click", () => {
    select(position);
    if (getComputedStyle(byId("sample")).overflowY === "visible") byId("sample").scrollIntoView();
  });
  return row;
}

function select(position, isTold = true) {
  now.position = position;
  scrollList();
  drawRows();
  renderChosen();
  if (isTold) tellAddress();
}

// The chosen row into the part of the list that is in sight.
function scrollList() {
  const list = byId("list"), place = Math.max(0, now.list.indexOf(now.position));
  const below = (place + 1) * ROW - list.scrollTop - list.clientHeight;
  if (place * ROW < list.scrollTop) list.scrollTop = place * ROW;
  else if (below > ROW) list.scrollTop = place * ROW - list.clientHeight / 3; // a jump: the list itself may be half in sight
  else if (below > 0) list.scrollTop += below;
}

const runName = () => config.runs[now.group.runs[now.turn].run].name;

function step(by) {
  const place = now.list.indexOf(now.position) + by;
  if (place >= 0 && place < now.list.length) select(now.list[place]);
}

// After a key the chosen row and its details are in sight; after a button, which is in the details, these are.
function stepByKey(by) {
  step(by);
  if (now.position === null) return;
  byId("panes").scrollIntoView({block: "nearest"});
  byId(`row-${now.position}`).scrollIntoView({block: "nearest"});
  scrollToTitle();
}

function stepByButton(by) {
  step(by);
  scrollToTitle();
}

const scrollToTitle = () => byId("sample").querySelector(".title").scrollIntoView({block: "nearest"});

function renderChosen() {
  const pane = byId("sample");
  pane.scrollTop = 0;
  if (now.position === null) {
    pane.replaceChildren(element("p", {class: "nothing"}, "No sample is chosen."));
    return;
  }
  const button = (name, label, act, kind = "quiet") => {
    const made = element("button", {type: "button", class: kind, "aria-label": label}, name);
    made.addEventListener("click", act);
    return made;
  };
  const moves = element("span", {class: "moves"},
    button("Back to the list", "Back to the list", () => byId("filters").scrollIntoView(), "quiet back"),
    button("↑", "Previous sample", () => stepByButton(-1)), button("↓", "Next sample", () => stepByButton(1)));
  pane.replaceChildren(...renderSample(now.task, now.group, now.position, now.turn, moves));
}

function nextRun() {
  const field = byId("run");
  field.selectedIndex = (field.selectedIndex + 1) % field.options.length;
  field.dispatchEvent(new Event("change"));
}

byId("run").addEventListener("change", (event) => {
  const [place, turn] = event.target.value.split("/").map(Number);
  const group = now.data.groups[place];
  chooseRun({run: config.runs[group.runs[turn].run].name, sample: null});
  tellAddress();
});
for (const id of ["category", "other", "changed", "order"]) byId(id).addEventListener("change", rework);
byId("search").addEventListener("input", rework);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("list").addEventListener("scroll", () => requestAnimationFrame(drawRows));
addEventListener("resize", () => { if (now.task !== null) drawRows(); });

const KEYS = {
  j: () => stepByKey(1), ArrowDown: () => stepByKey(1), k: () => stepByKey(-1), ArrowUp: () => stepByKey(-1),
  "/": () => byId("search").focus(), w: () => setFilter(now.filter === "wrong" ? "all" : "wrong"), r: nextRun,
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const field = event.target.closest("input, select, textarea");
  if (event.key === "Escape" && field) {
    field.blur();
    byId("list").focus();
    return;
  }
  if (field) return;
  if (event.key === "?") {
    byId("help").showModal();
    event.preventDefault();
  } else if (now.task !== null && KEYS[event.key] && !(event.key.startsWith("Arrow") && event.target.closest("#sample, .scroll, .chart"))) {
    KEYS[event.key]();
    event.preventDefault();
  }
});

addEventListener("hashchange", show);
show();
