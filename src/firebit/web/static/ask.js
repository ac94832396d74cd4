"use strict";

// What the page knows, and how it asks the server. Pictures are sent as they are; texts become text, never markup.
const known = { network: null, file: null, layer: null, whole: null, seen: null, segments: null, units: null, removed: new Set(), unit: null };

const at = (name) => document.getElementById(name);

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
};

const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");

const signed = (value, digits) => {
  const text = number(value, digits);
  return Number(value.toFixed(digits)) > 0 ? `+${text}` : text;
};

const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;

const say = (words) => {
  at("status").textContent = words;
};

const complain = (words) => {
  at("problem").textContent = words;
};

const answer = async (response) => {
  const kind = response.headers.get("content-type") ?? "";
  const body = kind.startsWith("application/json") ? await response.json() : { problem: await response.text(), remedy: "" };
  if (!response.ok) throw new Error(`${body.problem} ${body.remedy}`.trim());
  return body;
};

const get = async (path, values = {}) => answer(await fetch(`${path}?${new URLSearchParams(values)}`));

const post = async (path, pairs) => {
  const response = await fetch(`${path}?${new URLSearchParams(pairs)}`, {
    method: "POST",
    body: known.file,
    headers: { "content-type": known.file.type },
  });
  return answer(response);
};

// The last question counts: an answer that comes after a newer question is dropped.
const turns = {};
const latest = async (name, asked) => {
  const turn = (turns[name] = (turns[name] ?? 0) + 1);
  const found = await asked;
  return turns[name] === turn ? found : null;
};
