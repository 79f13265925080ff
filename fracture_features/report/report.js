"use strict";

// Tables that are sorted by a click on a heading.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.querySelectorAll("thead th")];
  const key = (row, column) => {
    const cell = row.cells[column];
    return "sort" in cell.dataset ? parseFloat(cell.dataset.sort.replace("inf", "Infinity")) : cell.textContent.trim();
  };
  const compare = (a, b, sign) => {
    if (typeof a === "string") return sign * a.localeCompare(b, undefined, { numeric: true });
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b); // gaps come last
    return a === b ? 0 : sign * (a < b ? -1 : 1);
  };
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const cell = table.tBodies[0].rows[0].cells[column];
    const first = "sort" in cell.dataset ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    heads.forEach((h) => h.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    for (const body of table.tBodies)
      body.append(...[...body.rows].sort((a, b) => compare(key(a, column), key(b, column), sign)));
  }));
}

// The hint that a table scrolls stands where it does.
const hints = () => {
  for (const hint of document.querySelectorAll(".hint")) {
    const region = hint.nextElementSibling;
    hint.classList.toggle("wide", region.scrollWidth > region.clientWidth);
  }
};
addEventListener("resize", hints);
addEventListener("toggle", hints, true);
hints();

// Paper has no arrow to click.
const folded = [...document.querySelectorAll("details")];
let opened = [];
addEventListener("beforeprint", () => {
  opened = folded.filter((details) => !details.open);
  opened.forEach((details) => { details.open = true; });
});
addEventListener("afterprint", () => opened.forEach((details) => { details.open = false; }));

// Another threshold, another prevalence.
const Z = 1.959964;
const MOST = 60; // names of images shown

/** Wilson's interval of a share k / n. */
const wilson = (k, n) => {
  if (n === 0) return [NaN, NaN, NaN];
  const p = k / n, scale = 1 + (Z * Z) / n, middle = (p + (Z * Z) / (2 * n)) / scale;
  const half = (Z / scale) * Math.sqrt((p * (1 - p)) / n + (Z * Z) / (4 * n * n));
  return [p, Math.max(0, middle - half), Math.min(1, middle + half)];
};

/** Share of those with an answer who are what it says, at odds of being so: from the shares right / n and wrong / m
 * that get the answer; its interval is that of the log odds (Mercaldo, Lau and Zhou 2007), with Wilson's centres. */
const predictive = (right, n, wrong, m, odds) => {
  if (n === 0 || m === 0 || right + wrong === 0) return [NaN, NaN, NaN];
  const up = (right / n) * odds, value = up / (up + wrong / m);
  const a = (right + (Z * Z) / 2) / (n + Z * Z), b = (wrong + (Z * Z) / 2) / (m + Z * Z);
  const log = Math.log((a / b) * odds);
  const half = Z * Math.sqrt((1 - a) / (a * (n + Z * Z)) + (1 - b) / (b * (m + Z * Z)));
  const share = (x) => 1 / (1 + Math.exp(-x));
  return [value, Math.min(value, share(log - half)), Math.max(value, share(log + half))];
};

const section = document.getElementById("live");
if (section) {
  const live = JSON.parse(section.dataset.live);
  const at = (name) => section.querySelector(`[data-at="${name}"]`);
  const [select, slider, share] = ["model", "threshold", "prevalence"].map(at);
  const truth = [...live.truth].map(Number);
  const positives = truth.filter((y) => y === 1).length;
  const fixed = (x, digits = 2) => (Number.isNaN(x) ? "–" : x.toFixed(digits).replace("-", "−"));
  const shown = (x, model) => (model.probability ? fixed(x) : `${x > 0 ? "+" : ""}${fixed(x)}`);
  live.models.forEach((model, k) => select.add(new Option(model.name, k)));
  select.closest("label").hidden = live.models.length === 1;

  const update = () => {
    const model = live.models[select.value];
    const threshold = parseFloat(slider.value), prevalence = parseFloat(share.value) / 100;
    const counts = [0, 0, 0, 0]; // true negatives, false positives, false negatives, true positives
    const changed = [[], []];
    model.scores.forEach((score, i) => {
      const call = Number(score >= threshold);
      counts[2 * truth[i] + call] += 1;
      if (call !== Number(model.called[i])) changed[call].push(i);
    });
    const [tn, fp, fn, tp] = counts, odds = prevalence / (1 - prevalence);
    const measures = {
      sensitivity: wilson(tp, tp + fn),
      specificity: wilson(tn, tn + fp),
      ppv: predictive(tp, tp + fn, fp, fp + tn, odds),
      npv: predictive(tn, tn + fp, fn, fn + tp, 1 / odds),
    };
    for (const [name, [value, low, high]] of Object.entries(measures))
      at(name).textContent = Number.isNaN(value) ? "–" : `${fixed(value)} (${fixed(low)}–${fixed(high)})`;
    ["tn", "fp", "fn", "tp"].forEach((name, k) => { at(name).textContent = counts[k]; });
    at("threshold-value").textContent = `${shown(threshold, model)}${model.probability ? "" : " (a score, no probability)"}`;
    at("prevalence-value").textContent = `${fixed(100 * prevalence, 1)} %`;
    at("start").textContent = model.own
      ? `The results above are at ${shown(model.start, model)}, the classifier's own.`
      : `The results above are at a threshold of each fold's own, ${shown(model.start, model)} on average.`;
    changed.forEach((rows, call) => {
      const list = at(`changed-${call}`);
      list.replaceChildren(...rows.slice(0, live.images.length ? MOST : 0).map((i) => {
        const item = document.createElement("li");
        item.textContent = `${live.images[i]}: is ${live.classes[truth[i]]}, ${shown(model.scores[i], model)}`;
        item.className = truth[i] === call ? "right" : "wrong";
        return item;
      }));
      at(`count-${call}`).textContent = rows.length;
      at(`more-${call}`).hidden = !(rows.length > MOST && live.images.length);
    });
  };

  const choose = () => {
    const model = live.models[select.value];
    slider.min = model.low;
    slider.max = model.high;
    slider.value = model.start;
    update();
  };
  share.value = 100 * live.prevalence;
  select.addEventListener("change", choose);
  slider.addEventListener("input", update);
  share.addEventListener("input", update);
  at("reset").addEventListener("click", () => {
    share.value = 100 * live.prevalence;
    choose();
  });
  section.hidden = false;
  choose();
}
