"use strict";

// From a picture to an answer, and what happens when.
const draw = () => {
  at("seen").src = known.seen.picture;
  for (const name of ["stage", "picture-controls", "code", "units"]) at(name).hidden = false;
  drawGuesses();
  drawCode();
  drawUnits();
  drawUnit();
  if (known.segments) markOverlay();
};

const look = async () => {
  const removed = [...known.removed].map((index) => ["removed", index]);
  const filled = known.fill ? [["fill", known.fill]] : [];
  try {
    const seen = await latest("see", post("/api/see", [["layer", known.layer], ...removed, ...filled]));
    if (!seen) return;
    known.seen = seen;
    if (removed.length === 0) known.whole = seen;
    const first = seen.guesses[0];
    say(first ? `${first.name}, ${number(100 * first.probability, 1)} %${removed.length ? `, with ${plural(removed.length, "part")} removed` : ""}.` : "Done.");
    draw();
  } catch (error) {
    complain(error.message);
  }
};

const cut = async () => {
  const segments = await latest("segments", post("/api/segments", [["layer", known.layer]]));
  if (!segments) return;
  known.segments = segments;
  for (const name of ["part", "parts-details"]) at(name).hidden = false;
  at("part").textContent = "Press a part of the picture to remove it.";
  drawOverlay();
  drawParts();
  draw();
};

const start = async () => {
  complain("");
  say("Looking …");
  Object.assign(known, { removed: new Set(), segments: null, unit: null, fill: null });
  at("overlay").replaceChildren();
  await look();
  if (!known.seen || at("problem").textContent) {
    say("");
    return;
  }
  try {
    await cut();
    if (known.network.store) await search();
  } catch (error) {
    complain(error.message);
  }
};

const take = (file) => {
  if (!file) return;
  if (!["image/png", "image/jpeg"].includes(file.type)) {
    complain(`${file.name || "That"} is no PNG or JPEG picture. Convert it, or choose another.`);
    return;
  }
  if (file.size > known.network.most_bytes) {
    complain(`${file.name} has more than ${number(known.network.most_bytes / 2 ** 20)} MiB. Choose a smaller one.`);
    return;
  }
  known.file = file;
  start();
};

const changeLayer = async () => {
  known.layer = at("layer").value;
  known.unit = null;
  known.units = null;
  if (known.file) start();
  const units = await latest("units", get("/api/units", { layer: known.layer })).catch((error) => complain(error.message));
  if (!units) return;
  known.units = units.units.length ? units : null;
  if (known.seen?.layer === known.layer) draw();
};

const search = async () => {
  const pairs = [["k", at("count").value]];
  if (at("key").value.trim()) pairs.push(["key", at("key").value.trim()], ["value", at("value").value.trim()]);
  at("near").hidden = false;
  try {
    const found = await latest("near", post("/api/nearest", pairs));
    if (found) drawNearest(found);
  } catch (error) {
    at("near-said").textContent = error.message;
  }
};

const begin = async () => {
  known.network = await get("/api/network");
  const { input, layers, classes, data } = known.network;
  const last = classes.length ? plural(classes.length, "class").replace("classs", "classes") : "an encoder";
  at("network").textContent = `${input.join(" × ")} pixels → ${plural(layers.length, "layer")} of bits → ${last}${data ? `; units judged by ${data}` : ""}.`;
  at("layer").replaceChildren(...layers.map((layer) => make("option", { value: layer.name }, `${layer.name}, ${layer.shape.join("×")}`)));
  at("layer").value = layers[layers.length - 1].name;
  await changeLayer();
};

at("file").addEventListener("change", (event) => take(event.target.files[0]));
at("restore").addEventListener("click", () => {
  Object.assign(known, { removed: new Set(), fill: null });
  at("smallest-said").textContent = "";
  look();
});
at("lines").addEventListener("change", (event) => at("stage").classList.toggle("plain", !event.target.checked));
at("layer").addEventListener("change", changeLayer);
at("bits").addEventListener("keydown", moveAmongBits);
at("smallest").addEventListener("click", showSmallest);
for (const name of ["filter", "state", "order"]) at(name).addEventListener("input", drawUnits);
at("near-form").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
addEventListener("paste", (event) => take([...(event.clipboardData?.files ?? [])][0]));
for (const name of ["dragover", "drop", "dragleave"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files[0]);
  });
}
begin().catch((error) => complain(error.message));
