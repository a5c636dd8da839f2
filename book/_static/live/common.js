"use strict";
/* What the live experiments share. Plain scripts without requests, so that pages work
   from a disk. Nothing moves by itself: a picture follows its input and no clock. */
const live = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 46, TOP = 24, WIDTH = 298, HEIGHT = 200;
  const PAUSE = 300; // milliseconds of rest before a sentence is read out
  const data = {};

  function add(parent, name, attributes, text) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return parent.appendChild(node);
  }

  function scale(axis, start, end) {
    const f = axis.log ? Math.log10 : (value) => value;
    const low = f(axis.from), unit = (end - start) / (f(axis.to) - low);
    return (value) => start + (f(value) - low) * unit;
  }

  /* Axes and what is drawn between them. An axis has from, to, log, label and ticks;
     a tick is a number, or a number and its text. */
  function panel(svg, x, y) {
    svg.replaceChildren();
    const across = scale(x, 0, WIDTH), up = scale(y, HEIGHT, 0);
    add(svg, "path", {
      class: "axis", d: `M${LEFT} ${TOP}V${TOP + HEIGHT}H${LEFT + WIDTH}`,
    });
    for (const tick of x.ticks) {
      const [value, text] = [].concat(tick, tick);
      const at = LEFT + across(value);
      add(svg, "path", { class: "axis", d: `M${at.toFixed(1)} ${TOP + HEIGHT}v4` });
      add(svg, "text", { x: at.toFixed(1), y: TOP + HEIGHT + 17, "text-anchor": "middle" }, text);
    }
    for (const tick of y.ticks) {
      const [value, text] = [].concat(tick, tick);
      const at = TOP + up(value);
      add(svg, "path", { class: "axis", d: `M${LEFT} ${at.toFixed(1)}h-4` });
      add(svg, "text", { x: LEFT - 7, y: (at + 4).toFixed(1), "text-anchor": "end" }, text);
    }
    add(svg, "text", { x: 6, y: 13 }, y.label);
    add(svg, "text", { x: LEFT + WIDTH, y: TOP + HEIGHT + 35, "text-anchor": "end" }, x.label);
    // an svg within the svg cuts off what leaves the axes
    const inner = add(svg, "svg", { x: LEFT, y: TOP, width: WIDTH, height: HEIGHT });
    const place = ([a, b]) => [across(a).toFixed(1), up(b).toFixed(1)];
    const near = (value) => Math.abs(value) < 1e5;
    const seen = (point) => place(point).every(near);
    return {
      line(points, kind) {
        const d = points.map((p, i) => {
          const begins = i === 0 || !seen(points[i - 1]);
          return seen(p) ? `${begins ? "M" : "L"}${place(p).join(" ")}` : "";
        });
        add(inner, "path", { class: `line ${kind}`, d: d.join("") });
      },
      dots(points, kind, r = 4) {
        for (const p of points.filter(seen)) {
          const [cx, cy] = place(p);
          add(inner, "circle", { class: kind, cx, cy, r });
        }
      },
      text(at, words, anchor = "start") {
        const [left, top] = place(at);
        add(inner, "text", { x: left, y: top, "text-anchor": anchor }, words);
      },
    };
  }

  /* Coefficients as dots on stems, the truth as rings. */
  function stems(svg, label, truth, beta, ends) {
    const d = truth.length;
    const draw = panel(svg,
      { from: 0, to: d + 1, ticks: [1, d], label: "coordinate" },
      { from: ends[0], to: ends[1], ticks: [-1, 0, 1], label });
    draw.line([[0, 0], [d + 1, 0]], "thin faint");
    truth.forEach((value, j) => { if (value) draw.dots([[j + 1, value]], "ink", 6.5); });
    beta.forEach((value, j) => {
      draw.line([[j + 1, 0], [j + 1, value]], "thin a");
      draw.dots([[j + 1, value]], "full a", 3);
    });
    draw.text([d, ends[1] * 0.9], "rings: the truth", "end");
  }

  function spell(value) {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e7) return String(value);
    return size < 1e-4 || size >= 1e7 ? value.toExponential(6) : value.toPrecision(7);
  }

  const short = (value) => String(Number(value.toPrecision(3)));

  /* Draw an experiment, now and whenever an input changes.
     `update(view, values)` draws, shows numbers and returns a sentence. */
  function start(name, update) {
    for (const root of document.querySelectorAll(`[data-live="${name}"]`)) {
      const inputs = [...root.querySelectorAll("input")];
      const said = root.querySelector(".live-output");
      let timer;
      const view = {
        svg: [...root.querySelectorAll(".live-panels > svg")],
        show(key, value) {
          const node = root.querySelector(`[data-number="${key}"]`);
          node.value = Number.isFinite(value) ? String(value) : "";
          node.textContent = spell(value);
        },
        setting(key, text) {
          const input = inputs.find((each) => each.name === key);
          input.setAttribute("aria-valuetext", text);
          root.querySelector(`output[for="${input.id}"]`).textContent = text;
        },
      };
      const draw = () => {
        const values = inputs.map((input) => [input.name, Number(input.value)]);
        return update(view, Object.fromEntries(values));
      };
      for (const input of inputs) {
        input.addEventListener("input", () => {
          const sentence = draw();
          clearTimeout(timer);
          timer = setTimeout(() => { said.textContent = sentence; }, PAUSE);
        });
      }
      said.textContent = draw();
    }
  }

  const range = (from, to, count) =>
    Array.from({ length: count }, (_, k) => from + ((to - from) * k) / (count - 1));
  const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
  const norm = (a) => Math.sqrt(dot(a, a));

  return { data, panel, stems, short, start, range, dot, norm };
})();
