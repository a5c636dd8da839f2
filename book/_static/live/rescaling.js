"use strict";
(() => {
  const { panel, short, start, range } = live;
  const { x, y, w, b, a } = live.data.rescaling;
  const n = x.length, width = w.length;
  const GRID = range(-1.6, 1.75, 240);

  const rescaled = (factor) => ({
    w: w.map((value) => value * factor),
    b: b.map((value) => value * factor),
    a: a.map((value) => value / factor),
  });

  const output = (net, point) => net.w.reduce(
    (f, slope, j) => f + net.a[j] * Math.max(slope * point + net.b[j], 0), 0);

  /* The whole Hessian of mean (f - y)^2 over w, b and a. */
  function hessian(net) {
    const size = 3 * width;
    const h = Array.from({ length: size }, () => new Float64Array(size));
    x.forEach((point, i) => {
      const slope = new Float64Array(size), residual = output(net, point) - y[i];
      for (let j = 0; j < width; j++) {
        const z = net.w[j] * point + net.b[j];
        if (z > 0) {
          slope[j] = net.a[j] * point;
          slope[width + j] = net.a[j];
          slope[2 * width + j] = z;
          for (const [k, value] of [[j, point], [width + j, 1]]) {
            h[k][2 * width + j] += (2 / n) * residual * value;
            h[2 * width + j][k] += (2 / n) * residual * value;
          }
        }
      }
      for (let j = 0; j < size; j++)
        if (slope[j])
          for (let k = 0; k < size; k++) h[j][k] += (2 / n) * slope[j] * slope[k];
    });
    return h;
  }

  const trace = (h) => h.reduce((sum, row, j) => sum + row[j], 0);

  /* The largest eigenvalue of a symmetric matrix, by rotations of Jacobi; spoils it. */
  function largest(h) {
    const size = h.length;
    for (let sweep = 0; sweep < 30; sweep++) {
      let off = 0;
      for (let p = 0; p < size; p++)
        for (let q = p + 1; q < size; q++) off = Math.max(off, Math.abs(h[p][q]));
      if (off < 1e-14 * Math.abs(trace(h))) break;
      for (let p = 0; p < size; p++)
        for (let q = p + 1; q < size; q++) if (h[p][q] !== 0) rotate(h, p, q);
    }
    return Math.max(...h.map((row, j) => row[j]));
  }

  function rotate(h, p, q) {
    const theta = (h[q][q] - h[p][p]) / (2 * h[p][q]);
    const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
    const c = 1 / Math.hypot(t, 1), s = t * c;
    for (let k = 0; k < h.length; k++) {
      const one = h[k][p], other = h[k][q];
      h[k][p] = c * one - s * other;
      h[k][q] = s * one + c * other;
    }
    for (let k = 0; k < h.length; k++) {
      const one = h[p][k], other = h[q][k];
      h[p][k] = c * one - s * other;
      h[q][k] = s * one + c * other;
    }
  }

  function measured(factor) {
    const h = hessian(rescaled(factor)), sum = trace(h);
    return { trace: sum, lambda: largest(h) };
  }

  const before = GRID.map((point) => output(rescaled(1), point));
  const tallest = Math.max(...before.map(Math.abs));
  const curve = range(-1, 1, 41).map((power) => [10 ** power, measured(10 ** power)]);
  const least = curve.reduce((best, one) => (one[1].trace < best[1].trace ? one : best));

  start("rescaling", (view, { log }) => {
    const factor = 10 ** log, net = rescaled(factor), found = measured(factor);
    const now = GRID.map((point) => output(net, point));
    const moved = Math.max(...now.map((f, k) => Math.abs(f - before[k]))) / tallest;
    view.setting("log", factor.toPrecision(3));
    view.show("factor", factor);
    view.show("moved", moved);
    view.show("trace", found.trace);
    view.show("lambda", found.lambda);
    const left = panel(view.svg[0], { from: -1.6, to: 1.75, ticks: [-1, 0, 1], label: "input x" },
      { from: -3, to: 4, ticks: [-2, 0, 2, 4], label: "output f(x), and the points" });
    left.line(GRID.map((point, k) => [point, before[k]]), "thick faint");
    left.line(GRID.map((point, k) => [point, now[k]]), "a");
    left.dots(x.map((point, i) => [point, y[i]]), "ink", 3.5);
    const side = panel(view.svg[1],
      { from: 0.1, to: 10, log: true, ticks: [0.1, 1, 10], label: "first layer times a, last over a" },
      { from: 30, to: 1e5, log: true, ticks: [100, [1e3, "10³"], [1e4, "10⁴"], [1e5, "10⁵"]], label: "trace and largest eigenvalue" });
    side.line(curve.map(([at, one]) => [at, one.trace]), "b");
    side.line(curve.map(([at, one]) => [at, one.lambda]), "c dash");
    side.dots([[factor, found.trace]], "full b", 5);
    side.dots([[factor, found.lambda]], "full c", 5);
    side.text([0.115, 20000], "trace");
    side.text([0.115, 60], "eigenvalue (dashed)");
    return `With a = ${short(factor)} the function has moved by ${moved === 0 ? "nothing" : "rounding only"}. `
      + `Its trace is ${short(found.trace)}, ${short(found.trace / least[1].trace)} times the least on this curve.`;
  });
})();
