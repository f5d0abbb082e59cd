// Leaderboards: sorted by a column, their rows by kind or all together. Numbers rank only with those measured
// alike (data-contest); the others follow unranked.
const PUBLISHED = "qwen-vl";
let byKind = true;

const boards = [...document.querySelectorAll(".leaderboard")].map((table) => ({
  table,
  heads: [...table.querySelectorAll("th[data-better]")],
  bodies: [...table.tBodies].map((body) => ({body, title: body.rows[0], rows: [...body.rows].slice(1)})),
  column: null,
  descending: true,
}));

function cellOf(row, column) {
  return row.querySelectorAll("td.number")[column];
}

// Missing numbers last; before them those that rank with nothing, each kind of rows for itself and runs last.
function contestRank(cell, row) {
  if (cell.dataset.value === undefined) return "3";
  if (!cell.dataset.contest) return `2 ${row.classList.contains("own") ? 1 : 0} ${row.dataset.kind}`;
  return cell.dataset.contest === PUBLISHED ? "0" : `1 ${cell.dataset.contest}`;
}

function sorted(board, rows) {
  const way = board.descending ? -1 : 1;
  return rows
    .map((row, place) => ({row, place, cell: cellOf(row, board.column), contest: contestRank(cellOf(row, board.column), row)}))
    .sort((a, b) =>
      a.contest < b.contest ? -1 : a.contest > b.contest ? 1
        : way * (Number(a.cell.dataset.value || 0) - Number(b.cell.dataset.value || 0)) || a.place - b.place);
}

function clear(row) {
  row.classList.remove("apart");
  row.cells[0].textContent = "";
}

function arrange(board) {
  board.table.classList.toggle("sorted", board.column !== null);
  board.heads.forEach((head, place) => {
    if (place === board.column) head.setAttribute("aria-sort", board.descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
  const sets = byKind ? board.bodies : [{body: board.bodies[0].body, rows: board.bodies.flatMap((one) => one.rows)}];
  for (const {body} of board.bodies) body.replaceChildren();
  for (const {body, title, rows} of sets) {
    rows.forEach(clear);
    if (title) body.append(title);
    if (board.column === null) body.append(...rows);
    else body.append(...ranked(board, rows));
  }
}

function ranked(board, rows) {
  const lower = board.heads[board.column].dataset.better === "low";
  let before = null, counted = 0;
  const order = sorted(board, rows);
  for (const one of order) {
    if (before !== null && one.contest !== before) {
      one.row.classList.add("apart");
      counted = 0;
    }
    before = one.contest;
    counted += 1;
    const ranks = one.contest < "2" && board.descending !== lower;
    one.row.cells[0].textContent = ranks ? String(counted) : "";
  }
  return order.map((one) => one.row);
}

for (const board of boards) {
  board.heads.forEach((head, place) => {
    head.querySelector("button").addEventListener("click", () => {
      const first = head.dataset.better !== "low";
      if (board.column !== place) Object.assign(board, {column: place, descending: first});
      else if (board.descending === first) board.descending = !first;
      else board.column = null;
      arrange(board);
    });
  });
}
for (const button of document.querySelectorAll("[data-grouping]")) {
  button.addEventListener("click", () => {
    byKind = button.dataset.grouping === "kind";
    for (const other of document.querySelectorAll("[data-grouping]")) other.setAttribute("aria-pressed", String(other === button));
    boards.forEach(arrange);
  });
}
