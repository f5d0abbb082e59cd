"use strict";
const byId = (id) => document.getElementById(id);
const rows = byId("rows");
const all = [...rows.children].map((row, place) => ({
  row, place,
  dimensions: JSON.parse(row.dataset.dimensions),
  parts: JSON.parse(row.dataset.parts),
  score: row.dataset.score === "" ? null : Number(row.dataset.score),
}));
function update() {
  const [dimension, part] = [byId("dimension").value, byId("part").value];
  const least = Number(byId("least").value || 1), most = Number(byId("most").value || 10);
  let shown = 0;
  for (const one of all) {
    const judged = one.score === null ? byId("unjudged").checked : one.score >= least && one.score <= most;
    const visible = judged && (!dimension || one.dimensions.includes(dimension)) && (!part || one.parts.includes(part));
    one.row.hidden = !visible;
    shown += visible;
  }
  byId("count").textContent = `${shown} of ${all.length}`;
}
function reorder() {
  const way = {up: 1, down: -1}[byId("order").value] || 0;
  const worth = (one) => one.score === null ? Infinity : way * one.score;
  const sorted = [...all].sort((a, b) => (way ? worth(a) - worth(b) : 0) || a.place - b.place);
  rows.append(...sorted.map((one) => one.row));
}
byId("filters").addEventListener("input", update);
byId("order").addEventListener("input", reorder);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
update();
