"use strict";

/**
 * What runs in the worker: a network in WebAssembly, trained and measured.
 *
 * A page opened from disk may neither fetch a file nor start a worker from one, so this
 * function is turned into text and that into a worker; see `startWorker` in play.js.
 * It refers to nothing outside itself.
 *
 * Messages in: {what: "kernel", bytes}, first of all; {what: "run", job, run, shared,
 * steps, going}; {what: "go", going}; {what: "given", network}; {what: "rate", run,
 * shared, steps}. Messages out carry what they answer.
 *
 * @param {DedicatedWorkerGlobalScope} scope - the worker.
 */
function playWorker(scope) {
  const NETWORKS = ["no-bias", "bias", "sim-ln"];
  const PANEL = 8; // units that lie side by side in the kernel's memory
  const CHUNK_MS = 12; // between two looks at the messages
  const REPORT_MS = 50;
  const POINTS_A_DECADE = 12;
  const UNITS = 20;

  let kernel = null;
  let job = null;
  const turn = new MessageChannel();
  turn.port1.onmessage = goOn;

  /** Steps at which a run is measured: evenly in the logarithm, and both ends. */
  function checkpoints(steps) {
    const found = new Set([0, steps]);
    for (let k = 0; Math.round(10 ** (k / POINTS_A_DECADE)) < steps; k++) {
      found.add(Math.round(10 ** (k / POINTS_A_DECADE)));
    }
    return [...found].sort((a, b) => a - b);
  }

  function floats(address, count) {
    return new Float64Array(kernel.memory.buffer, address, count);
  }

  function numInputs(network, d) {
    return d + (network === "no-bias" ? 0 : 1);
  }

  /** Where entry (i, j) of the first layer lies in the kernel's memory. */
  function place(i, j, inputs) {
    return (Math.floor(j / PANEL) * inputs + i) * PANEL + (j % PANEL);
  }

  /** The first layer, row by row, and the second. */
  function weights(inputs, width) {
    const size = inputs * Math.ceil(width / PANEL) * PANEL;
    const stored = floats(kernel.first_layer(), size);
    const w = new Float64Array(inputs * width);
    for (let i = 0; i < inputs; i++) {
      for (let j = 0; j < width; j++) w[i * width + j] = stored[place(i, j, inputs)];
    }
    return { w, v: floats(kernel.second_layer(), width).slice() };
  }

  /** The largest units by |v_j| |w_j|: their columns times |v_j|, one after another. */
  function largestUnits(inputs, width) {
    const stored = floats(kernel.first_layer(), inputs * Math.ceil(width / PANEL) * PANEL);
    const v = floats(kernel.second_layer(), width);
    const columnOf = (j) => {
      const first = place(0, j, inputs);
      return Array.from({ length: inputs }, (_, i) => stored[first + i * PANEL]);
    };
    const sizes = Array.from({ length: width }, (_, j) =>
      Math.abs(v[j]) * Math.hypot(...columnOf(j)));
    const chosen = sizes.map((_, j) => j).sort((a, b) => sizes[b] - sizes[a]);
    return {
      inputs,
      columns: chosen.slice(0, UNITS).map((j) =>
        columnOf(j).map((weight) => weight * Math.abs(v[j]))),
    };
  }

  function row(step) {
    const [loss, trace, bound, , trainAccuracy, testAccuracy] =
      floats(kernel.measure(), 6);
    return { step, loss, trace, bound, trainAccuracy, testAccuracy };
  }

  /** rho and decay as the rule has them: 0 where it has none. */
  function rates(run) {
    return [
      run.eta,
      run.rule.includes("SAM") ? run.rho : 0,
      run.rule.includes("wd") ? run.decay : 0,
      run.rule.includes("frozen") ? 1 : 0,
    ];
  }

  function prepare(run, shared) {
    kernel.set_up(NETWORKS.indexOf(run.net), shared.d, run.width, shared.n, run.c);
    kernel.draw_data(shared.seed);
    kernel.draw_start(shared.seed, run.scale);
  }

  function begin(message) {
    prepare(message.run, message.shared);
    job = {
      id: message.job,
      run: message.run,
      inputs: numInputs(message.run.net, message.shared.d),
      ahead: checkpoints(message.steps).slice(1),
      rows: [row(0)],
      step: 0,
      chunk: 256,
      milliseconds: 0,
      reported: 0,
      going: message.going,
      over: false,
    };
    report();
    if (job.going) turn.port2.postMessage(null);
  }

  function goOn() {
    if (!job || !job.going || job.over) return;
    const until = Math.min(job.ahead[0], job.step + job.chunk);
    const before = scope.performance.now();
    const taken = kernel.train(until - job.step, ...rates(job.run));
    const spent = scope.performance.now() - before;
    job.milliseconds += spent;
    if (taken === job.chunk) {
      const factor = Math.min(2, CHUNK_MS / Math.max(spent, 0.1));
      job.chunk = Math.max(16, Math.round(job.chunk * factor));
    }
    job.step += taken;
    if (job.step < until) {
      job.over = true;
      job.rows.push({ step: job.step, diverged: true });
    } else if (job.step === job.ahead[0]) {
      job.ahead.shift();
      job.rows.push(row(job.step));
      job.over = job.ahead.length === 0;
    }
    if (job.over || scope.performance.now() - job.reported > REPORT_MS) report();
    turn.port2.postMessage(null);
  }

  function report() {
    job.reported = scope.performance.now();
    scope.postMessage({
      what: "run",
      job: job.id,
      step: job.step,
      rows: job.rows,
      units: largestUnits(job.inputs, job.run.width),
      milliseconds: job.milliseconds,
      over: job.over,
    });
    job.rows = [];
  }

  /** Take the steps of a given order from given weights, on given data. */
  function given(network) {
    const { net, d, n, width, c } = network;
    const inputs = numInputs(net, d);
    job = null;
    kernel.set_up(NETWORKS.indexOf(net), d, width, n, c);
    const stored = floats(kernel.first_layer(), kernel.most_inputs() * kernel.most_width());
    for (let i = 0; i < inputs; i++) {
      for (let j = 0; j < width; j++) {
        stored[place(i, j, inputs)] = network.w[i * width + j];
      }
    }
    floats(kernel.second_layer(), width).set(network.v);
    floats(kernel.input_rows(), n * inputs).set(network.x);
    floats(kernel.labels(), n).set(network.y);
    kernel.measure_inputs();
    const most = kernel.most_order();
    let taken = 0;
    while (taken < network.order.length) {
      const part = network.order.slice(taken, taken + most);
      new Int32Array(kernel.memory.buffer, kernel.example_order(), most).set(part);
      const moved = kernel.advance(part.length, ...rates(network));
      taken += moved;
      if (moved < part.length) break;
    }
    const { w, v } = weights(inputs, width);
    return { ...row(taken), w: [...w], v: [...v] };
  }

  /** Milliseconds that some steps take, after others that do not count. */
  function rate({ run, shared, steps }) {
    job = null;
    prepare(run, shared);
    kernel.train(Math.ceil(steps / 5), ...rates(run));
    const before = scope.performance.now();
    const taken = kernel.train(steps, ...rates(run));
    return { taken, milliseconds: scope.performance.now() - before };
  }

  scope.onmessage = ({ data }) => {
    if (data.what === "kernel") {
      const module = new WebAssembly.Module(data.bytes);
      kernel = new WebAssembly.Instance(module, {}).exports;
    } else if (data.what === "run") {
      begin(data);
    } else if (data.what === "go") {
      const waiting = job && !job.going && data.going;
      if (job) job.going = data.going;
      if (waiting) turn.port2.postMessage(null);
      else if (job && !job.over) report();
    } else if (data.what === "given") {
      scope.postMessage({ what: "given", ...given(data.network) });
    } else if (data.what === "rate") {
      scope.postMessage({ what: "rate", ...rate(data) });
    }
  };
}
