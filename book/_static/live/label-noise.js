"use strict";
(() => {
  const { panel, stems, short, start, norm } = live;
  const { x, y, truth, alpha, tau, key, least, flow } = live.data["label-noise"];
  const n = x.length, d = truth.length, LOOKS = 80, BURN = 0.25;

  /* Philox 4x64, ten rounds: the generator of the engine's draws, by its counter. */
  const WORDS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
  const BUMPS = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];
  const MASK = (1n << 64n) - 1n;

  function block(counter) {
    let [a, b, c, e] = [BigInt(counter), 0n, 0n, 0n];
    let [k, l] = key.map(BigInt);
    for (let round = 0; round < 10; round++) {
      const one = WORDS[0] * a, two = WORDS[1] * c;
      [a, b, c, e] = [(two >> 64n) ^ b ^ k, two & MASK, (one >> 64n) ^ e ^ l, one & MASK];
      k = (k + BUMPS[0]) & MASK;
      l = (l + BUMPS[1]) & MASK;
    }
    return [a, b, c, e];
  }

  /* The examples and the signs of the noise, kept: all runs begin with the same. */
  const examples = [], signs = [];
  function draw(steps) {
    while (examples.length < steps)
      for (const bits of block(examples.length / 4 + 1)) {
        examples.push(Number(((bits >> 32n) * BigInt(n)) >> 32n));
        signs.push(bits & 1n ? -1 : 1);
      }
  }

  /* SGD with one example a step on (f - y - noise)^2 / 2. */
  function run(lr, delta) {
    const steps = Math.max(1, Math.round(tau / lr ** 2));
    const burn = Math.round(BURN * steps);
    draw(steps);
    const u = new Float64Array(d).fill(alpha), v = u.slice();
    const traces = [], every = Math.ceil(steps / LOOKS);
    let early = NaN;
    for (let t = 0; t < steps; t++) {
      if (t % every === 0) traces.push([t * lr * lr, trace(u, v)]);
      if (t === burn) early = products(u, v);
      const z = x[examples[t]];
      let f = 0;
      for (let j = 0; j < d; j++) f += (u[j] * u[j] - v[j] * v[j]) * z[j];
      const residual = f - y[examples[t]] + signs[t] * delta;
      const step = 2 * lr * residual;
      for (let j = 0; j < d; j++) {
        u[j] -= step * z[j] * u[j];
        v[j] += step * z[j] * v[j];
      }
    }
    traces.push([steps * lr * lr, trace(u, v)]);
    const beta = Array.from(u, (one, j) => one * one - v[j] * v[j]);
    const constant = (early - products(u, v)) / (16 * lr * lr * (steps - burn));
    return { steps, traces, beta, trace: trace(u, v), constant };
  }

  const trace = (u, v) => 4 * (u.reduce((s, a) => s + a * a, 0) + v.reduce((s, a) => s + a * a, 0));
  const products = (u, v) => u.reduce((s, a, j) => s + Math.log(Math.abs(a * v[j])), 0) / d;

  start("label-noise", (view, { lr, delta }) => {
    const found = run(lr, delta), c = (delta * delta) / 4;
    const error = norm(found.beta.map((b, j) => b - truth[j]));
    view.setting("lr", lr.toFixed(4));
    view.setting("delta", delta.toFixed(2));
    view.show("steps", found.steps);
    view.show("trace", found.trace);
    view.show("error", error);
    view.show("constant", found.constant);
    view.show("predicted", c);
    const left = panel(view.svg[0], { from: 0, to: tau, ticks: [0, 1, 2, 3, 4], label: "η² t" },
      { from: 0, to: 45, ticks: [0, 10, 20, 30, 40], label: "trace of the Hessian" });
    left.line([[0, least], [tau, least]], "dots ink");
    left.text([tau, least - 3.2], "least of all that fit", "end");
    const points = c > 0 ? flow.at.map((s, k) => [s / c, flow.trace[k]])
      : [[0, flow.trace[0]], [tau, flow.trace[0]]];
    left.line(found.traces, "a");
    left.line(points, "b dash");
    left.text([tau, 38], "dashed: the limiting flow", "end");
    stems(view.svg[1], "β = u² − v² at the end", truth, found.beta, [-1.1, 1.1]);
    const head = `${found.steps} steps at η = ${short(lr)} with noise of ${short(delta)}: the trace is `
      + `${short(found.trace)}, and none that fits is below ${short(least)}. `;
    return head + (delta > 0
      ? `The measured constant is ${short(found.constant)}; theory says ${short(c)} as η goes to 0.`
      : "Without noise SGD fits the examples and stays where it is.");
  });
})();
