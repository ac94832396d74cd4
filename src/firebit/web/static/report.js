"use strict";
(() => {
  const matrix = document.getElementById("matrix");
  const pages = [...document.querySelectorAll(".unit")];

  // Sorting: every heading is a button; a second press turns the order round.
  const key = (row, column) => {
    const text = row.cells[column].textContent.trim().replace("−", "-");
    const number = Number.parseFloat(text);
    return /^-?\d/.test(text) && Number.isFinite(number) ? number : text === "" ? null : text.toLowerCase();
  };
  const order = (one, other) => {
    if (one === null || other === null) return (one === null) - (other === null);
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other));
  };
  const sort = (heading) => {
    const body = matrix.tBodies[0];
    const column = heading.cellIndex;
    // What is largest is asked for first, of names the first letter.
    const numeric = [...body.rows].some((row) => typeof key(row, column) === "number");
    const before = heading.getAttribute("aria-sort");
    const down = before ? before === "ascending" : numeric && column > 0;
    const keyed = [...body.rows].map((row) => [key(row, column), row]);
    keyed.sort(([one], [other]) => (one === null || other === null ? order(one, other) : (down ? -1 : 1) * order(one, other)));
    body.append(...keyed.map(([, row]) => row));
    for (const each of matrix.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  const makeSortable = () => {
    for (const heading of matrix.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.querySelector("span")?.childNodes ?? heading.childNodes);
      heading.replaceChildren(button);
      button.addEventListener("click", () => sort(heading));
    }
  };

  // Filtering by what a row says, but for its percentages.
  const filter = () => {
    const wanted = document.getElementById("filter").value.trim().toLowerCase();
    const withoutOdd = document.getElementById("odd").checked;
    let count = 0;
    for (const row of matrix.tBodies[0].rows) {
      const words = [...row.querySelectorAll("th, .w")].map((cell) => cell.textContent.toLowerCase()).join(" ");
      row.hidden = !words.includes(wanted) || (withoutOdd && row.classList.contains("odd"));
      count += row.hidden ? 0 : 1;
    }
    document.getElementById("shown").textContent = `${count.toLocaleString("en")} of ${matrix.tBodies[0].rows.length.toLocaleString("en")} units`;
  };

  // One page of a unit at a time.
  const chosen = document.getElementById("chosen");
  const show = (page, focus) => {
    for (const each of pages) each.classList.toggle("current", each === page);
    chosen.value = page.id;
    const at = pages.indexOf(page);
    document.getElementById("previous").disabled = at === 0;
    document.getElementById("next").disabled = at === pages.length - 1;
    if (focus) page.querySelector("h3").focus();
  };
  const follow = (focus) => {
    const page = pages.find((each) => `#${each.id}` === location.hash);
    if (page) {
      show(page, focus);
      page.scrollIntoView();
    }
  };
  const step = (by) => {
    const at = pages.findIndex((each) => each.classList.contains("current"));
    history.replaceState(null, "", `#${pages[at + by].id}`);
    show(pages[at + by], false);
  };

  if (matrix) {
    makeSortable();
    document.getElementById("filter").addEventListener("input", filter);
    document.getElementById("odd").addEventListener("change", filter);
    filter();
  }
  if (pages.length) {
    document.documentElement.classList.add("js");
    document.querySelector(".pager").hidden = false;
    show(pages[0], false);
    chosen.addEventListener("change", () => {
      history.replaceState(null, "", `#${chosen.value}`);
      show(pages.find((each) => each.id === chosen.value), false);
    });
    document.getElementById("previous").addEventListener("click", () => step(-1));
    document.getElementById("next").addEventListener("click", () => step(1));
    addEventListener("hashchange", () => follow(true));
    follow(false);
  }
})();
