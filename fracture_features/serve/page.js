"use strict";
const $ = (id) => document.getElementById(id);
const entries = [];
const ROWS = new Map();
let model = null;
let chosen = null;
let working = false;

const number = (value, digits = 3) => (typeof value === "number" ? value.toFixed(digits) : "–");
const make = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};
const kindOf = (row) => {
  if (row.label === "inconclusive") return "between";
  return model.classes.length === 2 ? (row.label === model.classes[1] ? "yes" : "no") : "";
};

// One file, its answer as JSON; what goes wrong becomes {error}.
async function ask(path, file) {
  if (file.size > model.max_file) return { error: `it is larger than ${Math.floor(model.max_file / 2 ** 20)} MiB` };
  const form = new FormData();
  form.append("file", file);
  try {
    const response = await fetch(path, { method: "POST", body: form });
    return await response.json();
  } catch {
    return { error: "the server does not answer; has it been stopped, or the file moved?" };
  }
}

function add(files) {
  for (const file of files) {
    const entry = { file, row: null };
    entries.push(entry);
    const tr = make("tr");
    const open = make("button", file.name, "open");
    open.type = "button";
    open.addEventListener("click", () => choose(entry, true));
    const first = make("td");
    first.append(open);
    tr.append(first, make("td", "…"), make("td", "", "n"), make("td", "", "n"), make("td"));
    ROWS.set(entry, tr);
    $("rows").append(tr);
  }
  $("files").hidden = entries.length === 0;
  work();
}

async function work() {
  if (working) return;
  working = true;
  let entry;
  while ((entry = entries.find((one) => one.row === null))) {
    const done = entries.filter((one) => one.row).length;
    $("status").textContent = `Predicting ${done + 1} of ${entries.length} …`;
    const answer = await ask("/predict", entry.file);
    entry.row = answer.predictions ? answer.predictions[0] : { path: entry.file.name, error: answer.error };
    if (!entries.includes(entry)) continue; // cleared meanwhile
    fill(entry);
    if (chosen === null || chosen === entry) choose(entry, false);
  }
  working = false;
  const failed = entries.filter((one) => one.row.error).length;
  $("status").textContent = entries.length
    ? `${entries.length} ${entries.length === 1 ? "file" : "files"}${failed ? `, ${failed} without a prediction` : ""}`
    : "";
}

function fill(entry) {
  const { row } = entry;
  const cells = ROWS.get(entry).cells;
  cells[1].textContent = row.error ? "–" : row.label;
  cells[1].className = row.error ? "" : kindOf(row);
  cells[2].textContent = number(row.probability);
  cells[3].textContent = number(row.score);
  cells[4].textContent = row.error || (row.unlike_training ? "unlike the training images" : "");
  cells[4].className = cells[4].textContent ? "bad" : "";
}

async function choose(entry, byHand) {
  chosen = entry;
  for (const [one, tr] of ROWS) {
    if (one === entry) tr.setAttribute("aria-current", "true");
    else tr.removeAttribute("aria-current");
  }
  $("result").hidden = false;
  showAnswer(entry);
  for (const id of ["image", "map", "opacity-of-map"]) $(id).hidden = true;
  $("waiting").hidden = false;
  $("waiting").textContent = "Reading …";
  $("no-map").textContent = "";
  if (byHand) $("result").scrollIntoView({ block: "nearest" });
  const picture = entry.picture || (await ask("/picture", entry.file));
  if (chosen !== entry) return;
  if (picture.error) {
    $("waiting").textContent = "No picture: this file cannot be read.";
    return;
  }
  $("waiting").hidden = true;
  $("image").src = picture.image;
  $("image").alt = `Radiograph ${entry.file.name} as it was read, ${picture.width} by ${picture.height} pixels`;
  $("image").hidden = false;
  $("no-map").textContent = "Where did the model look? …";
  const map = await ask("/map", entry.file);
  if (chosen !== entry) return;
  $("no-map").textContent = map.error ? `No heat map: ${map.error}.` : "";
  if (map.error) return;
  $("map").src = map.heat_map;
  $("map").alt = `Heat map for ${map.target}`;
  $("map").hidden = false;
  $("target").textContent = `“${map.target}”,`;
  $("opacity-of-map").hidden = false;
}

function showAnswer(entry) {
  const { row } = entry;
  $("file").textContent = entry.file.name;
  const failed = row !== null && Boolean(row.error);
  $("label").textContent = row === null ? "…" : failed ? "No prediction" : row.label;
  $("label").className = `label ${row === null || failed ? "" : kindOf(row)}`;
  $("problem").hidden = !failed;
  $("problem").textContent = failed ? `This file has no prediction: ${row.error}` : "";
  const unlike = row !== null && row.unlike_training === true;
  $("unlike").hidden = !unlike;
  $("unlike").textContent = unlike
    ? `This file is unlike the images that the model was trained on (${number(row.unlikeness, 1)} times the limit): do not rely on the answer.`
    : "";
  showScale(row !== null && !failed ? row : null);
}

function showScale(row) {
  const { scale } = model;
  const value = row === null || scale === null ? null : row[scale.unit];
  $("scale").hidden = typeof value !== "number";
  if ($("scale").hidden) {
    return;
  }
  const marks = [scale.low, scale.high].filter((mark) => typeof mark === "number");
  let [from, to] = [0, 1];
  if (scale.unit === "score") {
    const middle = marks.length ? marks[marks.length - 1] : 0;
    const reach = Math.max(2, ...[value, ...marks].map((one) => 1.15 * Math.abs(one - middle)));
    [from, to] = [middle - reach, middle + reach];
  }
  const place = (one) => 100 * Math.min(1, Math.max(0, (one - from) / (to - from)));
  const zone = (name, start, end) => {
    const element = make("div", undefined, `zone ${name}`);
    element.style.width = `${place(end) - place(start)}%`;
    return element;
  };
  const bar = $("bar");
  bar.replaceChildren();
  if (typeof scale.high === "number") {
    const low = typeof scale.low === "number" ? scale.low : from;
    bar.append(zone("no", from, low), zone("between", low, scale.high), zone("yes", scale.high, to));
  }
  const pointer = make("div", undefined, "value");
  pointer.style.left = `${place(value)}%`;
  bar.append(pointer);
  const tick = (one, side) => {
    const element = make("span", number(one, 2), side);
    element.style.left = `${place(one)}%`;
    return element;
  };
  // Thresholds that lie close together are written to their left and their right, ends only where there is room.
  const close = marks.length === 2 && place(marks[1]) - place(marks[0]) < 20;
  const middle = [...new Set(marks)].map((one, k) => tick(one, close && marks[0] < marks[1] ? ["last", "first"][k] : ""));
  const ends = [];
  if (marks.every((one) => place(one) > 24)) ends.push(tick(from, "first"));
  if (marks.every((one) => place(one) < 76)) ends.push(tick(to, "last"));
  $("ticks").replaceChildren(...middle, ...ends);
  const [no, yes] = model.classes;
  let rule = "The classifier decides by itself; no threshold was chosen.";
  if (marks.length === 2 && marks[0] < marks[1]) {
    rule = `Below ${number(marks[0])}: ${no}; from ${number(marks[1])} on: ${yes}; between them: inconclusive.`;
  } else if (marks.length) {
    const other = scale.low === null ? "inconclusive" : no;
    rule = `The threshold is ${number(scale.high)}: from there on ${yes}, below it ${other}.`;
  }
  const what = scale.unit === "probability" ? "Probability" : "Score, which is no probability,";
  $("reading").textContent = `${what} of ${yes}: ${number(value)}. ${rule}`;
  bar.setAttribute("aria-label", $("reading").textContent);
}

// A spreadsheet takes text that begins so for a formula.
const cell = (value) => {
  let text = value === null || value === undefined ? "" : String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

function download() {
  const lines = entries.filter((one) => one.row).map((one) => model.columns.map((name) => cell(one.row[name])).join(","));
  const blob = new Blob([`${[model.columns.join(","), ...lines].join("\r\n")}\r\n`], { type: "text/csv" });
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = "predictions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function clear() {
  entries.length = 0;
  ROWS.clear();
  chosen = null;
  $("rows").replaceChildren();
  for (const id of ["files", "result"]) $(id).hidden = true;
  $("status").textContent = "";
  for (const id of ["image", "map"]) $(id).removeAttribute("src");
  $("input").focus();
}

function measuresTable(caption, rows) {
  const box = make("div");
  const table = make("table");
  for (const one of rows) {
    const tr = make("tr");
    const interval = typeof one.low === "number" ? ` (${number(one.low, 2)}–${number(one.high, 2)})` : "";
    tr.append(make("td", String(one.measure).replaceAll("_", " ")), make("td", number(one.value) + interval, "n"));
    table.append(tr);
  }
  box.append(make("h3", caption), table);
  return box;
}

async function start() {
  model = await (await fetch("/model")).json();
  $("name").textContent = model.name;
  document.title = `${model.name}: fracture model, not a medical device`;
  $("facts").textContent = `Tells ${model.classes.join(", ")} apart; trained on ${model.n_images} images, ${model.created.slice(0, 10)}.`;
  if (model.measures && model.measures.length) {
    $("tables").append(measuresTable("Cross-validated, with 95 % intervals", model.measures));
  } else {
    const unknown = "It was not cross-validated when it was trained: how well it tells them apart is not known.";
    $("tables").append(make("p", unknown, "problem"));
  }
  if (model.estimates && model.estimates.length) {
    $("tables").append(measuresTable("What its decision does on other patients, by inner folds", model.estimates));
  }
  $("card").textContent = model.card;
  $("curl").textContent = `curl -F file=@wrist.png ${location.origin}/predict`;
  $("input").addEventListener("change", () => {
    add($("input").files);
    $("input").value = "";
  });
  for (const name of ["dragenter", "dragover"]) $("drop").addEventListener(name, () => $("drop").classList.add("over"));
  for (const name of ["dragleave", "drop"]) $("drop").addEventListener(name, () => $("drop").classList.remove("over"));
  // A file dropped anywhere is predicted, and not opened by the browser.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) add(event.dataTransfer.files);
  });
  $("opacity").addEventListener("input", showOpacity);
  showOpacity();
  $("download").addEventListener("click", download);
  $("clear").addEventListener("click", clear);
}

function showOpacity() {
  $("map").style.opacity = $("opacity").value / 100;
}

start();
