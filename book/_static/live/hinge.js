"use strict";
(() => {
  const { panel, short, start, range } = live;
  const { d, x, y, outside, labels, networks, trained } = live.data.hinge;
  const CS = range(0.02, 2, 100);

  /* The network for the constant c: biases over c, then every unit balanced anew. */
  function forConstant({ w, v }, c) {
    const seen = w.map((row, k) => (k < d ? row : row.map((b) => b / c)));
    const scales = v.map((last, j) => {
      let first = 0, second = 0;
      for (const point of x) {
        const h = unit(seen, j, point, c);
        if (h > 0) {
          first += h * h;
          second += last * last * (d + c * c);
        }
      }
      return first > 0 && second > 0 ? (second / first) ** 0.25 : 1;
    });
    return {
      w: seen.map((row) => row.map((value, j) => value * scales[j])),
      v: v.map((value, j) => value / scales[j]),
    };
  }

  function unit(w, j, point, c) {
    let z = w[d][j] * c;
    for (let k = 0; k < d; k++) z += w[k][j] * point[k];
    return Math.max(z, 0);
  }

  const output = ({ w, v }, point, c) =>
    v.reduce((f, last, j) => f + last * unit(w, j, point, c), 0);

  /* 2 mean |grad f|^2: the trace where all points are fitted. */
  function trace({ w, v }, c) {
    let total = 0;
    for (const point of x) {
      v.forEach((last, j) => {
        const h = unit(w, j, point, c);
        if (h > 0) total += h * h + last * last * (d + c * c);
      });
    }
    return (2 * total) / x.length;
  }

  const firstNorm = ({ w }) => live.norm(w.flat());

  function right(network, c) {
    const good = outside.filter((point, i) => output(network, point, c) * labels[i] > 0);
    return good.length / outside.length;
  }

  const curves = Object.fromEntries(Object.entries(networks).map(([name, one]) =>
    [name, CS.map((c) => [c, firstNorm(forConstant(one, c))])]));
  const ticks = [0, 0.5, 1, 1.5, 2];

  start("hinge", (view, { c }) => {
    const bound = 4 * Math.sqrt(d + c * c);
    view.setting("c", c.toFixed(2));
    view.show("bound", bound);
    const left = panel(view.svg[0], { from: 0, to: 2.05, ticks, label: "constant c" },
      { from: 1, to: 3000, log: true, ticks: [1, 10, 100, 1000], label: "norm of the first layer" });
    const kinds = { memorises: ["b", 1.1], generalises: ["a", 1.1] };
    for (const [name, [kind, at]] of Object.entries(kinds)) {
      const network = c > 0 ? forConstant(networks[name], c) : null;
      left.line(curves[name], kind + (name === "memorises" ? " dash" : ""));
      const above = curves[name].find((point) => point[0] >= at)[1];
      left.text([at, above * 1.5], name);
      if (network) left.dots([[c, firstNorm(network)]], `full ${kind}`, 5);
      view.show(`${name}-ratio`, network ? trace(network, c) / bound : NaN);
      view.show(`${name}-norm`, network ? firstNorm(network) : NaN);
      view.show(`${name}-right`, network ? right(network, c) : NaN);
    }
    let near = 0;
    trained.c.forEach((value, k) => {
      if (Math.abs(value - c) < Math.abs(trained.c[near] - c)) near = k;
    });
    const side = panel(view.svg[1], { from: 0, to: 2.05, ticks, label: "constant c" },
      { from: 0.45, to: 1.02, ticks: [0.5, 0.6, 0.7, 0.8, 0.9, 1], label: "accuracy of 1-SAM on new points" });
    side.line([[0, 0.9], [2.05, 0.9]], "thin dots ink");
    side.line([[c, 0.45], [c, 1.02]], "thin faint");
    side.line(trained.c.map((value, k) => [value, trained.mean[k]]), "b");
    trained.c.forEach((value, k) =>
      side.line([[value, trained.low[k]], [value, trained.high[k]]], "thin b"));
    side.dots([[trained.c[near], trained.mean[near]]], "full b", 5);
    view.show("accuracy", trained.mean[near]);
    const learnt = `At c = ${short(trained.c[near])}, 1-SAM was right on `
      + `${(100 * trained.mean[near]).toFixed(1)} % of new points.`;
    return c > 0
      ? `At c = ${short(c)} both networks have the least trace, ${short(bound)}. The one that `
        + `memorises needs a first layer of norm ${short(firstNorm(forConstant(networks.memorises, c)))}. ${learnt}`
      : `At c = 0 a bias has no effect, and neither network is left. ${learnt}`;
  });
})();
