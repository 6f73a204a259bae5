"use strict";

// Column heads become buttons that sort, within each group of rows; what has no number goes last.
function key(cell) {
  const text = cell.textContent.trim().replaceAll("−", "-").replaceAll(",", "").replace(/^[<≈]\s*/, "");
  const number = Number.parseFloat(text);
  return text === "–" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
}

function compare(a, b, direction) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === typeof b) return direction * (a < b ? -1 : a > b ? 1 : 0);
  return typeof a === "number" ? -1 : 1;
}

function sort(table, head, column) {
  const first = column === 0 ? "ascending" : "descending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = head.getAttribute("aria-sort") === first ? other : first;
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const direction = order === "ascending" ? 1 : -1;
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    rows.sort((a, b) => compare(key(a.cells[column]), key(b.cells[column]), direction));
    body.append(...rows);
  }
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head, column));
    head.append(button);
  });
}

window.addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details.figures")) folded.open = true;
});
