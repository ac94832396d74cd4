"use strict";

// The picture, its parts, and what is seen in it.
const NAMESPACE = "http://www.w3.org/2000/svg";
const MOST_GUESSES = 10;

const partWords = (index) => {
  const effect = known.segments.effects[index];
  const share = (100 * effect.pixels) / (known.segments.width * known.segments.height);
  const parts = [`Part ${index + 1}, ${number(share, 1)} % of the picture.`];
  if (effect.guess) {
    const same = effect.guess.name === known.whole.guesses[0].name;
    const change = `${known.whole.guesses[0].name} ${signed(100 * effect.change, 1)} points`;
    parts.push(same ? `Without it: ${change}.` : `Without it the network sees ${effect.guess.name} (${change}).`);
  }
  parts.push(effect.flips.length ? `${plural(effect.flips.length, "unit")} of ${known.layer} ${effect.flips.length === 1 ? "flips" : "flip"}.` : `No unit of ${known.layer} flips.`);
  return parts.join(" ");
};

const drawOverlay = () => {
  const overlay = at("overlay");
  const { width, height, outlines } = known.segments;
  overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  overlay.replaceChildren(
    ...outlines.map((outline, index) => {
      const path = document.createElementNS(NAMESPACE, "path");
      path.setAttribute("d", outline);
      path.setAttribute("role", "button");
      path.setAttribute("tabindex", index === 0 ? "0" : "-1");
      path.addEventListener("click", () => toggle(index));
      path.addEventListener("keydown", (event) => moveOrToggle(event, index));
      path.addEventListener("pointerenter", () => (at("part").textContent = partWords(index)));
      path.addEventListener("focus", () => (at("part").textContent = partWords(index)));
      return path;
    }),
  );
  markOverlay();
};

const markOverlay = () => {
  const unit = known.unit;
  [...at("overlay").children].forEach((path, index) => {
    const removed = known.removed.has(index);
    const flips = unit !== null && !removed && known.segments.effects[index].flips.includes(unit);
    path.setAttribute("class", [removed && "removed", flips && "flips"].filter(Boolean).join(" "));
    path.setAttribute("aria-pressed", removed);
    path.setAttribute("aria-label", `${partWords(index)}${flips ? ` Unit ${unitName(unit)} flips without it.` : ""}`);
  });
  for (const box of at("parts").querySelectorAll("input")) box.checked = known.removed.has(Number(box.value));
  at("restore").disabled = known.removed.size === 0;
};

// Arrow keys go from part to part, by where their outlines begin.
const moveOrToggle = (event, index) => {
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    toggle(index);
    return;
  }
  const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
  if (!step) return;
  event.preventDefault();
  const paths = [...at("overlay").children];
  const middle = (path) => {
    const box = path.getBBox();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const [x, y] = middle(paths[index]);
  const ahead = paths
    .map((path) => [path, ...middle(path)])
    .map(([path, a, b]) => [path, (a - x) * step[0] + (b - y) * step[1], Math.abs((a - x) * step[1]) + Math.abs((b - y) * step[0])])
    .filter(([, along]) => along > 0.5)
    .sort((one, other) => one[1] + 3 * one[2] - other[1] - 3 * other[2]);
  if (!ahead.length) return;
  paths[index].setAttribute("tabindex", "-1");
  ahead[0][0].setAttribute("tabindex", "0");
  ahead[0][0].focus();
};

const toggle = (index) => {
  if (known.removed.has(index)) known.removed.delete(index);
  else known.removed.add(index);
  markOverlay();
  look();
};

const drawParts = () => {
  const { effects, width, height } = known.segments;
  const order = effects.map((_, index) => index).sort((a, b) => effects[b].flips.length - effects[a].flips.length || a - b);
  const rows = order.map((index) => {
    const effect = effects[index];
    const box = make("input", { type: "checkbox", value: index, "aria-label": `Remove part ${index + 1}`, onchange: () => toggle(index) });
    return make(
      "tr", {},
      make("th", { scope: "row" }, String(index + 1)),
      make("td", {}, box),
      make("td", { class: "n" }, `${number((100 * effect.pixels) / (width * height), 1)} %`),
      make("td", { class: "n" }, number(effect.flips.length)),
      make("td", {}, effect.guess ? effect.guess.name : ""),
      make("td", { class: "n" }, effect.guess ? signed(100 * effect.change, 1) : ""),
    );
  });
  at("parts").tBodies[0].replaceChildren(...rows);
};

const drawGuesses = () => {
  const { guesses } = known.seen;
  at("prediction").hidden = guesses.length === 0;
  const before = new Map(known.whole.guesses.map((guess) => [guess.index, guess.probability]));
  const rows = guesses.slice(0, MOST_GUESSES).map((guess) => {
    const change = 100 * (guess.probability - before.get(guess.index));
    const changed = known.removed.size > 0 && Math.abs(change) >= 0.05;
    return make(
      "tr", {},
      make("th", { scope: "row" }, guess.name),
      make("td", { class: "bar" }, make("i", { class: `w${Math.round(100 * guess.probability)}` })),
      make("td", { class: "n" }, `${number(100 * guess.probability, 1)} %`),
      make("td", { class: `n ${change > 0 ? "up" : "down"}` }, changed ? signed(change, 1) : ""),
    );
  });
  at("guesses").tBodies[0].replaceChildren(...rows);
  at("rest").textContent = guesses.length > MOST_GUESSES ? `and ${number(guesses.length - MOST_GUESSES)} more classes` : "";
};

const drawNearest = (found) => {
  const items = found.found.map((each) => {
    const shown = each.picture
      ? make("img", { src: each.picture, alt: "" })
      : make("div", { class: "blank" });
    const bits = each.differing.length ? `units ${each.differing.slice(0, 12).join(", ")}${each.differing.length > 12 ? ", …" : ""}` : "none";
    return make(
      "li", {}, shown,
      make("div", { class: "name" }, each.label ? make("b", {}, each.label) : "", ` ${each.id}`),
      make("div", {}, `${plural(each.distance, "bit")} of ${number(found.bits)} ${each.distance === 1 ? "differs" : "differ"}`),
      make("div", { class: "differs" }, bits),
    );
  });
  at("neighbours").replaceChildren(...items);
  at("near-said").textContent = `${plural(found.found.length, "picture")} of ${number(known.network.stored)} in ${known.network.store}.`;
};
