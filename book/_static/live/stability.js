"use strict";
(() => {
  const { panel, short, start, range } = live;
  const data = live.data.stability;
  const LOST = 1e3; // a weight at which a path has left for good
  const SETTLED = 1e-12, SHOWN = 100;

  function sharpness([u, v]) {
    const mixed = 2 * u * v - 1;
    return (u * u + v * v) / 2 + Math.hypot((u * u - v * v) / 2, mixed);
  }

  const loss = ([u, v]) => 0.5 * (u * v - 1) ** 2;

  function path(lr) {
    const points = [data.start];
    let [u, v] = data.start;
    for (let k = 0; k < data.steps; k++) {
      const residual = u * v - 1;
      [u, v] = [u - lr * (residual * v), v - lr * (residual * u)];
      if (!(Math.max(Math.abs(u), Math.abs(v)) < LOST)) break;
      points.push([u, v]);
    }
    return points;
  }

  const valley = range(-1.8, 1.8, 181).map((t) => [Math.exp(t), Math.exp(-t)]);
  const lambda = sharpness(data.minimum);

  start("stability", (view, { lr }) => {
    const points = path(lr), end = points[points.length - 1];
    const gone = points.length <= data.steps, at = sharpness(end);
    view.setting("lr", lr.toFixed(3));
    view.show("stable", 2 / lr);
    view.show("product", lr * lambda);
    view.show("growth", Math.abs(1 - lr * lambda));
    view.show("updates", points.length - 1);
    view.show("loss", loss(end));
    view.show("sharpness", at);
    const left = panel(view.svg[0], { from: -3.6, to: 3.6, ticks: [-2, 0, 2], label: "u" },
      { from: -2.4, to: 2.4, ticks: [-2, 0, 2], label: "v, and the valley u v = 1" });
    for (const sign of [1, -1]) {
      const side = valley.map(([u, v]) => [sign * u, sign * v]);
      left.line(side, "faint");
      left.line(side.filter(([u, v]) => u * u + v * v < 2 / lr), "thick c");
    }
    const drawn = points.slice(0, SHOWN + 1);
    left.line(drawn, "thin b");
    left.dots(drawn, "full b", 1.6);
    left.dots([data.minimum], "ink", 6);
    left.dots([end], "a", 6);
    left.text([-3.5, 2.05], "thick: below 2/η");
    const side = panel(view.svg[1], { from: 0, to: SHOWN, ticks: [0, 50, SHOWN], label: "update" },
      { from: 0, to: 8, ticks: [0, 2, 4, 6, 8], label: "largest curvature where the path is" });
    side.line([[0, 2 / lr], [SHOWN, 2 / lr]], "dots ink");
    side.text([0.99 * SHOWN, Math.min(2 / lr, 7.4) + 0.25], "2/η", "end");
    side.line(drawn.map((point, k) => [k, sharpness(point)]), "b");
    const head = `η λ is ${short(lr * lambda)} at the sharp minimum. `;
    if (gone) return `${head}Nothing holds the path: it leaves after ${points.length - 1} updates.`;
    if (loss(end) > SETTLED) return `${head}After ${data.steps} updates the path has not settled.`;
    const stays = Math.hypot(end[0] - data.minimum[0], end[1] - data.minimum[1]) < 0.1;
    return head + (stays ? "The path stays there: " : "The path leaves it and settles elsewhere: ")
      + `its end has curvature ${short(at)}, and 2/η is ${short(2 / lr)}.`;
  });
})();
