"use strict";

// The code of a picture, and the units behind its bits.
const MOST_BUTTONS = 1024;
const MOST_ROWS = 200;

const fires = (unit) => known.seen.margins[unit] >= 0;
const facts = (unit) => known.units?.units[unit] ?? null;
const unitName = (unit) => facts(unit)?.name ?? String(unit);
const isFlipped = (unit) => known.seen.flips.includes(unit);

const drawCode = () => {
  const { margins, flips, code } = known.seen;
  const fired = margins.filter((margin) => margin >= 0).length;
  at("fired").textContent = `${number(fired)} of ${plural(margins.length, "unit")} fire${known.removed.size ? `, ${number(flips.length)} flipped` : ""}`;
  at("hex").textContent = code;
  const flipped = new Set(flips);
  const bits = at("bits");
  const isMany = margins.length > 256;
  bits.classList.toggle("many", isMany);
  const pressable = margins.length <= MOST_BUTTONS;
  const held = document.activeElement?.dataset?.unit;
  bits.replaceChildren(
    ...margins.map((margin, unit) => {
      const style = ["bit", margin >= 0 && "on", flipped.has(unit) && "flipped", unit === known.unit && "chosen"].filter(Boolean).join(" ");
      if (!pressable) return make("span", { class: style });
      const words = `Unit ${unitName(unit)} ${margin >= 0 ? "fires" : "is silent"}${flipped.has(unit) ? ", flipped" : ""}`;
      const tab = unit === (known.unit ?? 0) ? "0" : "-1";
      return make("button", { type: "button", class: style, "aria-label": words, title: words, tabindex: tab, "data-unit": unit, onclick: () => choose(unit, false) });
    }),
  );
  if (held !== undefined) bits.querySelector(`[data-unit="${held}"]`)?.focus();
};

// Arrow keys go from bit to bit.
const moveAmongBits = (event) => {
  const buttons = [...at("bits").querySelectorAll("button")];
  const here = buttons.indexOf(document.activeElement);
  if (here < 0) return;
  const perRow = buttons.findIndex((button) => button.offsetTop > buttons[0].offsetTop);
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow, ArrowUp: -perRow }[event.key];
  const to = event.key === "Home" ? 0 : event.key === "End" ? buttons.length - 1 : here + (step ?? 0);
  if (to === here || !buttons[to] || (step === undefined && event.key !== "Home" && event.key !== "End")) return;
  event.preventDefault();
  buttons[here].tabIndex = -1;
  buttons[to].tabIndex = 0;
  buttons[to].focus();
};

const rank = {
  vote: (unit) => -Math.abs(known.seen.votes[unit] ?? 0),
  near: (unit) => Math.abs(known.seen.margins[unit]),
  far: (unit) => -Math.abs(known.seen.margins[unit]),
  number: (unit) => unit,
};

const isWanted = (unit, words, state) => {
  if (state === "on" && !fires(unit)) return false;
  if (state === "off" && fires(unit)) return false;
  if (state === "flipped" && !isFlipped(unit)) return false;
  if (!words) return true;
  const of = facts(unit);
  return [unitName(unit), ...(of?.positive ?? []), ...(of?.negative ?? [])].join(" ").toLowerCase().includes(words);
};

const drawUnits = () => {
  const words = at("filter").value.trim().toLowerCase();
  const order = rank[at("order").value];
  const wanted = known.seen.margins.map((_, unit) => unit).filter((unit) => isWanted(unit, words, at("state").value));
  wanted.sort((one, other) => order(one) - order(other) || one - other);
  const rows = wanted.slice(0, MOST_ROWS).map((unit) => {
    const of = facts(unit);
    const vote = known.seen.votes[unit];
    return make(
      "tr", { class: unit === known.unit ? "chosen" : "" },
      make("th", { scope: "row" }, make("button", { type: "button", onclick: () => choose(unit, true) }, unitName(unit))),
      make("td", { class: isFlipped(unit) ? "flip" : "" }, `${fires(unit) ? "fires" : "silent"}${isFlipped(unit) ? ", flipped" : ""}`),
      make("td", { class: "n" }, number(known.seen.margins[unit])),
      make("td", { class: `n ${vote > 0 ? "up" : vote < 0 ? "down" : ""}` }, vote === undefined ? "" : signed(vote, 2)),
      make("td", {}, (of?.positive ?? []).join(", ")),
      make("td", {}, (of?.negative ?? []).join(", ")),
    );
  });
  at("table").tBodies[0].replaceChildren(...rows);
  const more = wanted.length > MOST_ROWS ? `, the first ${number(MOST_ROWS)} listed` : "";
  at("shown").textContent = `${number(wanted.length)} of ${plural(known.seen.margins.length, "unit")}${more}. ${voteWords()}`;
};

const voteWords = () => {
  const [first, second] = known.seen.guesses;
  if (!known.seen.votes.length) return "";
  return `A vote is what the bit adds to ${first.name} over ${second.name}.`;
};

const drawUnit = () => {
  const unit = known.unit;
  at("unit").hidden = unit === null;
  if (unit === null) return;
  at("unit-heading").textContent = `Unit ${unitName(unit)} of ${known.layer} ${fires(unit) ? "fires" : "is silent"}`;
  const holding = known.segments ? known.segments.effects.filter((effect) => effect.flips.includes(unit)).length : null;
  const of = facts(unit);
  const lines = [
    `It is ${number(Math.abs(known.seen.margins[unit]))} away from ${fires(unit) ? "falling silent" : "firing"}, in units of its sum.`,
    holding === null ? "" : holding ? `${plural(holding, "part")} of the picture, marked in orange, ${holding === 1 ? "flips" : "flip"} it when removed alone.` : "No part of the picture flips it when removed alone.",
    of ? `In ${number(known.units.pictures)} pictures of ${known.network.data} it fires for ${number(100 * of.rate, 1)} %${of.flag ? ` (${of.flag})` : ""}.` : "",
    of?.positive.length ? `It fires for nearly all of: ${of.positive.join(", ")}.` : "",
    of?.negative.length ? `It is silent for nearly all of: ${of.negative.join(", ")}.` : "",
  ];
  at("unit-facts").replaceChildren(...lines.filter(Boolean).map((line) => make("p", {}, line)));
};

const choose = (unit, jump) => {
  known.unit = unit;
  at("smallest-said").textContent = "";
  draw();
  if (jump) at("unit-heading").focus();
};

const showSmallest = async () => {
  at("smallest-said").textContent = "Looking …";
  try {
    const found = await latest("smallest", post("/api/smallest", [["layer", known.layer], ["unit", known.unit]]));
    if (!found) return;
    const does = found.fires ? "fires" : "stays off";
    if (found.blank) {
      at("smallest-said").textContent = `It ${does} on a blank picture too: no part of this one is needed.`;
      return;
    }
    at("smallest-said").textContent = `It ${does} with ${number(100 * found.share, 1)} % of the picture, ${plural(found.kept.length, "part")}; without any one of them its bit flips. The rest is filled with: ${found.fill}.`;
    Object.assign(known, { removed: new Set(found.removed), fill: found.fill });
    markOverlay();
    look();
  } catch (error) {
    at("smallest-said").textContent = error.message;
  }
};
