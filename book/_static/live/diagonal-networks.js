"use strict";
(() => {
  const { panel, stems, short, start, range, dot, norm } = live;
  const { plane, x, y, truth, l1, l2 } = live.data["diagonal-networks"];
  const STEPS = 200;

  const transpose = (rows) => rows[0].map((_, j) => rows.map((row) => row[j]));

  /* A z = b for a positive definite A, by Cholesky's factor. */
  function solve(a, b) {
    const n = b.length, factor = a.map(() => new Array(n).fill(0)), z = [...b];
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let sum = a[i][j];
        for (let k = 0; k < j; k++) sum -= factor[i][k] * factor[j][k];
        factor[i][j] = i === j ? Math.sqrt(sum) : sum / factor[j][j];
      }
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) z[i] -= factor[i][k] * z[k];
      z[i] /= factor[i][i];
    }
    for (let i = n - 1; i >= 0; i--) {
      for (let k = i + 1; k < n; k++) z[i] -= factor[k][i] * z[k];
      z[i] /= factor[i][i];
    }
    return z;
  }

  /* The interpolator of least hyperbolic entropy: Newton's method on the dual,
     min c sum (cosh(x_j . nu) - 1) - y . nu, led from a large c to the one asked for. */
  function minimiser(rows, labels, c) {
    const columns = transpose(rows);
    const pull = (nu) => columns.map((column) => dot(column, nu));
    let scale = Math.max(c, 10), nu = labels.map(() => 0);
    for (;;) {
      nu = newton(rows, columns, labels, scale, nu);
      if (scale === c) return pull(nu).map((value) => c * Math.sinh(value));
      const smaller = Math.max(c, scale / 3);
      const grown = Math.asinh(1 / smaller) / Math.asinh(1 / scale);
      nu = nu.map((value) => value * grown);
      scale = smaller;
    }
  }

  function newton(rows, columns, labels, c, begin) {
    const pull = (nu) => columns.map((column) => dot(column, nu));
    const value = (nu) =>
      c * pull(nu).reduce((sum, s) => sum + 2 * Math.sinh(s / 2) ** 2, 0) - dot(labels, nu);
    let nu = begin, least = Infinity;
    for (let k = 0; k < STEPS; k++) {
      const s = pull(nu), beta = s.map((one) => c * Math.sinh(one));
      const slope = rows.map((row, i) => dot(row, beta) - labels[i]);
      const size = norm(slope);
      if (size < 1e-13 || (size < 1e-9 && size >= least)) break; // to the last digits
      least = Math.min(least, size);
      const weights = s.map((one) => c * Math.cosh(one));
      const hessian = rows.map((one) => rows.map((other) =>
        weights.reduce((sum, weight, j) => sum + weight * one[j] * other[j], 0)));
      const step = solve(hessian, slope);
      const here = value(nu), fall = dot(slope, step);
      let t = 1, next;
      do {
        next = nu.map((one, i) => one - t * step[i]);
        t /= 2;
      } while (size > 1e-9 && !(value(next) <= here - 0.2 * t * fall) && t > 1e-12);
      nu = next;
    }
    return nu;
  }

  const entropy = (beta, c) => beta.reduce(
    (sum, b) => sum + b * Math.asinh(b / c) - Math.sqrt(b * b + c * c) + c, 0);

  /* Where phi takes its value at beta, direction by direction. */
  function levelSet(beta, c) {
    const level = entropy(beta, c);
    return range(0, 2 * Math.PI, 145).map((angle) => {
      const way = [Math.cos(angle), Math.sin(angle)];
      let low = 0, high = 2;
      for (let k = 0; k < 40; k++) {
        const middle = (low + high) / 2;
        if (entropy(way.map((one) => one * middle), c) < level) low = middle;
        else high = middle;
      }
      return way.map((one) => one * low);
    });
  }

  const [p, q] = plane.x;
  const ends = {
    l1: p > q ? [plane.y / p, 0] : [0, plane.y / q],
    l2: plane.x.map((one) => (one * plane.y) / dot(plane.x, plane.x)),
  };

  start("diagonal-networks", (view, { log }) => {
    const alpha = 10 ** log, c = 2 * alpha * alpha;
    const flat = minimiser([plane.x], [plane.y], c), beta = minimiser(x, y, c);
    const one = beta.reduce((sum, b) => sum + Math.abs(b), 0), two = norm(beta);
    const error = norm(beta.map((b, j) => b - truth[j]));
    view.setting("log", alpha.toPrecision(3));
    view.show("alpha", alpha);
    view.show("beta-1", flat[0]);
    view.show("beta-2", flat[1]);
    view.show("l1", one);
    view.show("l2", two);
    view.show("error", error);
    const left = panel(view.svg[0], { from: -0.76, to: 0.998, ticks: [-0.5, 0, 0.5], label: "β₁" },
      { from: -0.52, to: 0.66, ticks: [-0.5, 0, 0.5], label: "β₂, and the line of all that fit" });
    left.line([-1, 2].map((b) => [b, (plane.y - p * b) / q]), "ink");
    left.line(levelSet(flat, c), "a");
    left.dots([ends.l1, ends.l2], "ink", 6);
    left.text([ends.l1[0] + 0.05, ends.l1[1] + 0.03], "ℓ₁");
    left.text([ends.l2[0] + 0.05, ends.l2[1] + 0.03], "ℓ₂");
    left.dots([flat], "full b", 4.5);
    stems(view.svg[1], `the end of gradient flow, ${truth.length} inputs`, truth, beta, [-1.1, 1.1]);
    return `From α = ${short(alpha)} gradient flow ends at an ℓ₁ norm of ${short(one)} (the least is ${short(l1)}) `
      + `and an ℓ₂ norm of ${short(two)} (the least is ${short(l2)}). It is ${short(error)} away from the truth.`;
  });
})();
