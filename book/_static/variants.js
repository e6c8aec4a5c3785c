// Sliders for the variants of Ding et al.: the browser computes what lib/astute computes, on a few
// digits that the page holds, and checks itself against the library's numbers before it shows any.
// Double precision throughout; sums run in the library's order, so that a pixel at a threshold
// falls to the same side.
(function () {
  "use strict";

  // ---- the formulas: transforms.py, volume.py, interclass.py

  const infinite = (level) => level === "inf" || level === Infinity;

  function decoded(data) {
    const bytes = atob(data.pixels);
    return Float64Array.from({ length: bytes.length }, (_, i) => bytes.charCodeAt(i) / 255);
  }

  // Pixelwise maximum of image and moving average: max(x, h_s * x).
  function smooth(x, side, size, kind) {
    const before = Math.floor(size / 2);
    const out = new Float64Array(x.length);
    const sums = new Float64Array(side * side);
    for (let start = 0; start < x.length; start += side * side) {
      for (let i = 0; i < side; i++) {
        for (let j = 0; j < side; j++) {
          let total = 0;
          for (let k = 0; k < size; k++) {
            let row = i - before + k;
            if (kind === "column") row = (row + side) % side; // wraps round the border
            else if (row < 0 || row >= side) continue; // zeros outside
            total += x[start + row * side + j];
          }
          sums[i * side + j] = total;
        }
      }
      for (let i = 0; i < side; i++) {
        for (let j = 0; j < side; j++) {
          let mean = sums[i * side + j] / size;
          if (kind === "square") {
            let total = 0;
            for (let k = 0; k < size; k++) {
              const column = j - before + k;
              if (column >= 0 && column < side) total += sums[i * side + column];
            }
            mean = total / (size * size);
          }
          const at = start + i * side + j;
          out[at] = Math.max(x[at], Math.min(mean, 1));
        }
      }
    }
    return out;
  }

  // sign(2v-1) |2v-1|^(2/p) / 2 + 1/2
  function saturate(v, level) {
    const w = 2 * v - 1;
    if (infinite(level)) return w >= 0 ? 1 : 0;
    return (Math.sign(w) * Math.abs(w) ** (2 / level)) / 2 + 0.5;
  }

  function varied(x, side, setting) {
    let out = setting.size === 1 ? x : smooth(x, side, setting.size, setting.kind);
    if (setting.level !== 2) out = out.map((v) => saturate(v, setting.level));
    if (setting.gamma !== 1) out = out.map((v) => v ** setting.gamma);
    if (setting.factor !== 1) out = out.map((v) => setting.factor * (v - 0.5) + 0.5);
    return out;
  }

  // Mean log2 volume of the ball's part inside the box.
  function volume(x, count, eps) {
    let total = 0;
    for (const v of x) total += Math.log2(Math.min(v + eps, 1) - Math.max(v - eps, 0));
    return total / count;
  }

  const number = (share, count) => Math.max(1, Math.floor(share * count + 0.5));

  function least(values, share) {
    const kept = values.sort((a, b) => a - b).slice(0, number(share, values.length));
    return kept.reduce((a, b) => a + b, 0) / kept.length;
  }

  // Mean over classes of the nearest tenth of images' mean distance to the nearest tenth of others.
  function distance(x, labels, share) {
    const count = labels.length;
    const pixels = x.length / count;
    const others = labels.map(() => []);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < i; j++) {
        if (labels[i] === labels[j]) continue;
        let square = 0;
        for (let k = 0; k < pixels; k++) {
          const gap = x[i * pixels + k] - x[j * pixels + k];
          square += gap * gap;
        }
        others[i].push(Math.sqrt(square));
        others[j].push(Math.sqrt(square));
      }
    }
    const classes = new Map();
    labels.forEach((label, i) => {
      if (!classes.has(label)) classes.set(label, []);
      classes.get(label).push(least(others[i], share));
    });
    const found = [...classes.values()].map((values) => least(values, share));
    return found.reduce((a, b) => a + b, 0) / found.length;
  }

  function histogram(x, bins) {
    const share = new Array(bins).fill(0);
    for (const v of x) share[Math.min(bins - 1, Math.floor(v * bins))] += 1 / x.length;
    return share;
  }

  function measured(x, data) {
    return {
      volume: volume(x, data.labels.length, data.eps),
      distance: distance(x, data.labels, data.share),
      histogram: histogram(x, data.bins),
    };
  }

  // Greatest differences to the library's numbers over all its checks.
  function check(data) {
    const x = decoded(data);
    const off = { volume: 0, distance: 0, histogram: 0, settings: data.checks.length };
    for (const expected of data.checks) {
      const found = measured(varied(x, data.shape[2], expected.setting), data);
      const shares = found.histogram.map((v, i) => Math.abs(v - expected.histogram[i]));
      off.volume = Math.max(off.volume, Math.abs(found.volume - expected.volume));
      off.distance = Math.max(off.distance, Math.abs(found.distance - expected.distance));
      off.histogram = Math.max(off.histogram, ...shares);
    }
    // Bits out of about a thousand; distances are in single precision there.
    off.agrees = off.volume < 1e-6 && off.distance < 1e-4 && off.histogram < 1e-9;
    return off;
  }

  if (typeof module !== "undefined" && module.exports) {
    module.exports = { check, decoded, distance, histogram, measured, smooth, varied, volume };
    return;
  }

  // ---- the page

  const SVG = "http://www.w3.org/2000/svg";
  const HEIGHT = 150;
  const LEAST = 1e-4; // share of pixels at the foot of the logarithmic axis
  let pages = 0;

  function made(name, attributes, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  function drawn(name, attributes, parent, words) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (words) node.textContent = words;
    parent.append(node);
    return node;
  }

  const shown = (value, digits) => value.toFixed(digits).replace("-", "\u2212");
  const named = (level) => (infinite(level) ? "\u221e" : String(level));

  function painted(canvas, x, start, side) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(side, side);
    for (let k = 0; k < side * side; k++) {
      image.data.fill(Math.round(255 * x[start + k]), 4 * k, 4 * k + 3);
      image.data[4 * k + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }

  function begin(host) {
    const data = JSON.parse(host.querySelector('script[type="application/json"]').textContent);
    const id = `astute-live-${pages++}`;
    const side = data.shape[2];
    const original = decoded(data);
    const before = measured(original, data);
    const neutral = data.levels.indexOf(2);

    // controls
    const sliders = {};
    const form = made("form", { class: "astute-live-controls", "aria-label": "Variant" });
    function slider(key, label, low, high, step, value) {
      const input = made("input", { type: "range", id: `${id}-${key}`, min: low, max: high, step });
      input.setAttribute("value", value);
      const output = made("output", { for: `${id}-${key}` });
      const words = made("label", { for: `${id}-${key}` }, label);
      sliders[key] = { input, output };
      return made("div", { class: "astute-live-slider" }, words, output, input);
    }
    const kinds = made("fieldset", {}, made("legend", {}, "smoothing along"));
    for (const kind of ["column", "square"]) {
      const attributes = { type: "radio", name: `${id}-kind`, value: kind, id: `${id}-${kind}` };
      if (kind === "column") attributes.checked = "";
      kinds.append(made("label", {}, made("input", attributes), ` ${kind}`));
    }
    const reset = made("button", { type: "reset" }, "Original images");
    form.append(
      slider("size", "Smoothing, pixels s", 1, 8, 1, 1),
      kinds,
      slider("level", "Saturation p", 0, data.levels.length - 1, 1, neutral),
      slider("gamma", "Gamma \u03b3", 0.4, 2.5, 0.05, 1),
      slider("factor", "Contrast \u03b1", 0, 1, 0.05, 1),
      reset
    );

    // images: the first of every class, as it is and as it becomes
    const gallery = made("div", { class: "astute-live-images" });
    const canvases = [...new Set(data.labels)].sort((a, b) => a - b).map((label) => {
      const place = data.labels.indexOf(label) * side * side;
      const pair = ["as it is", "changed"].map((how) =>
        made("canvas", { width: side, height: side, role: "img", "aria-label": `${label}, ${how}` })
      );
      painted(pair[0], original, place, side);
      gallery.append(made("div", {}, ...pair));
      return { canvas: pair[1], place };
    });

    // histogram: shares on a logarithmic axis, the original as an outline
    const plot = document.createElementNS(SVG, "svg");
    plot.setAttribute("viewBox", `-44 -10 400 ${HEIGHT + 52}`);
    plot.setAttribute("role", "img");
    const high = (share) =>
      share < LEAST ? 0 : (HEIGHT * Math.log(share / LEAST)) / Math.log(1 / LEAST);
    const wide = 340 / data.bins;
    for (const [share, words] of [[1, "1"], [0.1, "0.1"], [0.01, "0.01"], [0.001, "0.001"]]) {
      const y = HEIGHT - high(share);
      drawn("line", { x1: 0, x2: 340, y1: y, y2: y, class: "grid" }, plot);
      drawn("text", { x: -6, y: y + 4, "text-anchor": "end" }, plot, words);
    }
    const bars = before.histogram.map((_, i) =>
      drawn("rect", { x: i * wide + 1, width: wide - 2, class: "bar" }, plot)
    );
    const steps = before.histogram.map((v, i) => `H${i * wide}V${HEIGHT - high(v)}`).join("");
    drawn("path", { d: `M0 ${HEIGHT}${steps}H340V${HEIGHT}`, class: "outline" }, plot);
    for (const v of [0, 0.5, 1]) {
      drawn("text", { x: 340 * v, y: HEIGHT + 18, "text-anchor": "middle" }, plot, String(v));
    }
    const legend = "pixel value; share of pixels (line: original)";
    drawn("text", { x: 170, y: HEIGHT + 38, "text-anchor": "middle" }, plot, legend);

    // numbers
    const body = made("tbody");
    const cells = {};
    const lines = [
      ["volume", `log\u2082 perturbable volume, \u03b5 = ${data.eps}, bits`, 1],
      ["distance", "inter-class distance, l2", 3],
    ];
    for (const [key, label, digits] of lines) {
      cells[key] = made("td");
      const old = made("td", {}, shown(before[key], digits));
      body.append(made("tr", {}, made("th", { scope: "row" }, label), old, cells[key]));
    }
    const heads = ["", "original", "now"].map((words) => made("th", { scope: "col" }, words));
    const table = made("table", { class: "table" }, made("thead", {}, made("tr", {}, ...heads)), body);
    const said = made("p", { class: "astute-live-said", role: "status" });
    const verdict = made("p", { class: "astute-live-check" });

    function state() {
      const kind = form.querySelector("input[type=radio]:checked").value;
      const value = (key) => Number(sliders[key].input.value);
      const setting = { size: value("size"), kind, level: data.levels[value("level")] };
      return Object.assign(setting, { gamma: value("gamma"), factor: value("factor") });
    }

    function update() {
      const setting = state();
      const x = varied(original, side, setting);
      const now = measured(x, data);
      const words = {
        size: setting.size === 1 ? "1 (none)" : String(setting.size),
        level: named(setting.level) + (setting.level === 2 ? " (none)" : ""),
        gamma: setting.gamma.toFixed(2) + (setting.gamma === 1 ? " (none)" : ""),
        factor: setting.factor.toFixed(2) + (setting.factor === 1 ? " (none)" : ""),
      };
      for (const [key, { input, output }] of Object.entries(sliders)) {
        output.textContent = words[key];
        input.setAttribute("aria-valuetext", words[key]);
      }
      for (const { canvas, place } of canvases) painted(canvas, x, place, side);
      now.histogram.forEach((share, i) => {
        bars[i].setAttribute("y", HEIGHT - high(share));
        bars[i].setAttribute("height", high(share));
      });
      const ends = [now.histogram[0], now.histogram[data.bins - 1]].map((v) => (100 * v).toFixed(0));
      plot.setAttribute(
        "aria-label",
        `Histogram of pixel values: ${ends[0]} % in the darkest bin, ${ends[1]} % in the brightest`
      );
      for (const [key, , digits] of lines) cells[key].textContent = shown(now[key], digits);
      said.textContent = `Volume ${shown(now.volume - before.volume, 1)} bits from the original's, `;
      said.textContent += `distance ${shown(now.distance / before.distance, 3)} times the original's.`;
    }

    let waiting = false;
    function later() {
      if (!waiting) requestAnimationFrame(() => { waiting = false; update(); });
      waiting = true;
    }
    form.addEventListener("input", later);
    form.addEventListener("reset", () => setTimeout(update)); // after the inputs are back
    form.addEventListener("submit", (event) => event.preventDefault());

    const off = check(data);
    const by = [off.volume, off.distance].map((v) => v.toExponential(0));
    verdict.textContent =
      `${off.agrees ? "Checked" : "DOES NOT AGREE: checked"} against the library at ` +
      `${off.settings} settings: greatest difference ${by[0]} bits, ${by[1]} in distance, ` +
      `${off.histogram.toExponential(0)} in a share of pixels.`;
    verdict.classList.toggle("astute-live-wrong", !off.agrees);

    const key = made("p", { class: "astute-live-said" }, "Above as it is, below changed:");
    host.append(form, key, gallery, plot, table, said, verdict);
    host.classList.add("astute-live-on");
    update();
  }

  function all() {
    document.querySelectorAll('.astute-live[data-astute="variants"]').forEach((host) => {
      if (!host.classList.contains("astute-live-on")) begin(host);
    });
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all);
  else all();
})();
