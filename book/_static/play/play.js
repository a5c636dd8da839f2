"use strict";

/**
 * The page `play`: controls, two workers that train, and what they report.
 *
 * Everything is made here, inside the element `play-live`, so that a page without scripts
 * shows its picture alone. `flatminimaPlay` is what tests and benchmarks use: `given`
 * takes steps from a given start, `rate` times steps.
 */
const flatminimaPlay = (() => {
  const { SHARED, OWN, RULES, NETWORKS, refusal, parse, format } = playSettings;
  const { make, control } = playControls;
  const RUNS = ["a", "b"];
  const REST_MS = 60;
  const LATE_MS = 500; // a press that soon after the end was meant to pause
  const TITLES = { a: "Run A", b: "Run B" };
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  const NEAR = 0.01; // training loss up to which the chapters call it interpolation

  /** Trace over bound; the bound of Sim-LN holds near interpolation only. */
  function ratio(row, run) {
    const bounded = state[run].net !== "sim-ln" || row.loss <= NEAR;
    return bounded ? row.trace / row.bound : NaN;
  }

  /** What the table shows, by quantity: its head, and the text of a row of a run. */
  const COLUMNS = {
    step: ["steps", (row) => row.step.toLocaleString("en-GB")],
    loss: ["training loss", (row) => row.loss.toPrecision(4)],
    accuracy: ["test accuracy", (row) => share(row.testAccuracy)],
    train: ["training accuracy", (row) => share(row.trainAccuracy)],
    trace: ["trace", (row) => row.trace.toPrecision(6)],
    ratio: ["trace / bound", (row, run) => {
      const value = ratio(row, run);
      return Number.isNaN(value) ? "no bound yet" : value.toPrecision(6);
    }],
  };

  let state = null;
  let phase = "ready"; // ready, going, paused, over
  let ended = 0; // when the runs were over, in milliseconds
  let job = 0;
  let beginning = null; // until when the sliders have to rest
  const results = { a: null, b: null };
  const workers = {};
  const parts = {};

  function share(value) {
    return Number.isNaN(value) ? "none" : `${(100 * value).toFixed(2)} %`;
  }

  // --- workers -------------------------------------------------------------------

  function bytes() {
    return Uint8Array.from(atob(playKernel.wasm), (letter) => letter.charCodeAt(0));
  }

  function startWorker() {
    const text = `(${playWorker.toString()})(self)`;
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const worker = new Worker(address);
    worker.onerror = (event) => say(`The worker stopped: ${event.message}`);
    worker.postMessage({ what: "kernel", bytes: bytes() });
    return worker;
  }

  function workerOf(run) {
    if (!workers[run]) {
      workers[run] = startWorker();
      workers[run].onmessage = ({ data }) => receive(run, data);
    }
    return workers[run];
  }

  function active() {
    return state.compare ? RUNS : ["a"];
  }

  /** Ask a worker of its own for one thing; used by tests and benchmarks. */
  function ask(message) {
    return new Promise((resolve, reject) => {
      const worker = startWorker();
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data }) => {
        worker.terminate();
        resolve(data);
      };
      worker.postMessage(message);
    });
  }

  // --- a run's life ----------------------------------------------------------------

  /** Back to step 0, under the settings as they are once the sliders rest. */
  function reset() {
    job += 1;
    const refused = refusal(state);
    parts.go.disabled = refused !== "";
    say(refused);
    phase = "ready";
    for (const run of RUNS) results[run] = null;
    pauseAll();
    clearTimeout(beginning);
    beginning = refused ? null : setTimeout(begin, REST_MS);
    draw();
  }

  /** Draw data and starts, and measure them. */
  function begin() {
    clearTimeout(beginning);
    beginning = null;
    for (const run of active()) {
      workerOf(run).postMessage({
        what: "run",
        job,
        run: state[run],
        shared: state.shared,
        steps: state.shared.steps,
        going: false,
      });
    }
  }

  function pauseAll() {
    for (const run of RUNS) workers[run]?.postMessage({ what: "go", going: false });
  }

  function press() {
    if (phase === "over") {
      if (performance.now() - ended < LATE_MS) return;
      reset();
    }
    if (parts.go.disabled) return;
    if (beginning !== null) begin();
    phase = phase === "going" ? "paused" : "going";
    for (const run of active()) {
      workerOf(run).postMessage({ what: "go", going: phase === "going" });
    }
    if (phase === "going") say("");
    draw();
  }

  function receive(run, data) {
    if (data.what !== "run" || data.job !== job) return;
    const found = results[run] ?? { rows: [], units: null, over: false };
    found.rows.push(...data.rows);
    Object.assign(found, {
      units: data.units,
      step: data.step,
      over: data.over,
      milliseconds: data.milliseconds,
    });
    results[run] = found;
    if (active().every((each) => results[each]?.over)) {
      phase = "over";
      ended = performance.now();
      say(active().map(summary).join(" "));
    }
    // a reader who asked for less motion sees the ends alone
    if (!still.matches || phase !== "going" || found.step === 0) drawSoon();
  }

  function summary(run) {
    const row = results[run].rows.at(-1);
    if (row.diverged) return `${TITLES[run]} diverged at step ${row.step}.`;
    return `${TITLES[run]}: test accuracy ${COLUMNS.accuracy[1](row)}, ` +
      `trace over bound ${COLUMNS.ratio[1](row, run)} after ${COLUMNS.step[1](row)} steps.`;
  }

  function say(text) {
    parts.note.textContent = text;
  }

  // --- drawing -----------------------------------------------------------------------

  let waiting = false;

  function drawSoon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  function draw() {
    const words = { ready: "Run", going: "Pause", paused: "Go on", over: "Run again" };
    parts.go.textContent = words[phase];
    for (const run of RUNS) {
      fillColumn(run);
      parts[`units-${run}`].parentElement.hidden = run === "b" && !state.compare;
    }
    const last = state.shared.steps;
    playCharts.curves(parts.accuracy, points((row) => row.testAccuracy), {
      last,
      low: 0.4,
      high: 1,
      logarithmic: false,
      ticks: [[0.4, "40 %"], [0.5, "50 %"], [0.6, "60 %"], [0.7, "70 %"],
        [0.8, "80 %"], [0.9, "90 %"], [1, "100 %"]],
      dotted: [0.5, 0.9],
    });
    playCharts.curves(parts.ratio, points(ratio), {
      last,
      low: 0.8,
      high: 1000,
      logarithmic: true,
      ticks: [[1, "1"], [10, "10"], [100, "100"], [1000, "1000"]],
      dotted: [1],
    });
    for (const run of active()) {
      const found = results[run];
      if (found?.units) playCharts.units(parts[`units-${run}`], found.units);
    }
    parts.link.href = `#${format(state)}`;
  }

  function points(value) {
    return active().map((key) => ({
      key,
      points: (results[key]?.rows ?? [])
        .filter((row) => !row.diverged)
        .map((row) => [row.step, value(row, key)])
        .filter(([, number]) => Number.isFinite(number)),
    }));
  }

  function fillColumn(run) {
    const cells = parts[`cells-${run}`];
    const shown = run === "a" || state.compare;
    for (const cell of [parts[`head-${run}`], ...Object.values(cells)]) {
      cell.hidden = !shown;
    }
    const row = results[run]?.rows.at(-1);
    for (const [name, [, text]] of Object.entries(COLUMNS)) {
      let words = "…";
      if (row) words = row.diverged && name !== "step" ? "diverged" : text(row, run);
      if (cells[name].textContent !== words) cells[name].textContent = words;
    }
    const { step, milliseconds } = results[run] ?? {};
    cells.rate.textContent = milliseconds > 0
      ? (Math.round(step / milliseconds) * 1000).toLocaleString("en-GB") : "…";
  }

  // --- controls ----------------------------------------------------------------------

  /** The settings have changed: show them, keep them in the address, begin anew. */
  function changed() {
    for (const show of parts.shows) show();
    history.replaceState(null, "", `#${format(state)}`);
    reset();
  }

  function choose(preset) {
    state = { compare: true, ...structuredClone(
      { shared: preset.shared, a: preset.a, b: preset.b }) };
    changed();
    parts.look.replaceChildren(
      preset.look, " ", make("a", { href: preset.chapter }, "The chapter."));
  }

  function controlsOf(settings, owner) {
    const target = () => owner ? state[owner] : state.shared;
    const made = Object.entries(settings).map(([name, setting]) =>
      control(setting, name, `play-${owner ?? "shared"}-${name}`, target, changed));
    parts.shows.push(...made.map(({ show }) => show));
    return made.map(({ row }) => row);
  }

  function build(root) {
    parts.shows = [];
    parts.go = make("button", { type: "button", id: "play-go", class: "play-go",
      onclick: press }, "Run");
    parts.again = make("button", { type: "button", id: "play-reset", onclick: reset },
      "Back to the start");
    parts.link = make("a", { id: "play-link", href: "#" }, "Link to these settings");
    parts.note = make("p", { id: "play-note", role: "status" });
    parts.look = make("p", { id: "play-look" },
      "Take a setting of the book, or move the sliders below.");
    parts.compare = make("input", { type: "checkbox", id: "play-compare" });
    parts.compare.addEventListener("change", () => {
      state.compare = parts.compare.checked;
      changed();
    });
    const second = make("fieldset", { class: "play-b" },
      make("legend", {}, "Run B"), ...controlsOf(OWN, "b"));
    parts.shows.push(() => {
      parts.compare.checked = state.compare;
      second.disabled = !state.compare;
    });
    const presets = playPresets.map((preset) => make("button",
      { type: "button", onclick: () => choose(preset) }, preset.name));
    root.replaceChildren(
      make("div", { class: "play-presets", role: "group",
        "aria-label": "Settings of the book's figures" }, ...presets),
      parts.look,
      parts.note,
      make("div", { class: "live-output" }, ...pictures(), table()),
      make("div", { class: "live-controls" },
        make("fieldset", { class: "play-shared" }, make("legend", {}, "Both runs"),
          ...controlsOf(SHARED, null),
          make("div", { class: "play-control play-check" }, parts.compare,
            make("label", { for: "play-compare" }, "a second run beside the first"))),
        make("fieldset", { class: "play-a" }, make("legend", {}, "Run A"),
          ...controlsOf(OWN, "a")),
        second),
      make("div", { class: "play-bar" }, parts.go, parts.again, parts.link,
        make("button", { type: "button", id: "play-save", onclick: save },
          "Save the numbers")));
  }

  function table() {
    const heads = { ...Object.fromEntries(Object.entries(COLUMNS)
      .map(([name, [head]]) => [name, head])), rate: "steps a second" };
    const title = (run) => parts[`head-${run}`] = make("th",
      { scope: "col", class: `play-key-${run}` }, TITLES[run]);
    const top = make("tr", {}, make("td"), ...RUNS.map(title));
    for (const run of RUNS) parts[`cells-${run}`] = {};
    const body = Object.entries(heads).map(([name, head]) => make("tr", {},
      make("th", { scope: "row" }, head),
      ...RUNS.map((run) => parts[`cells-${run}`][name] = make("td",
        { id: `play-${run}-${name}-now` }))));
    return make("table", { class: "play-table" },
      make("thead", {}, top), make("tbody", {}, ...body));
  }

  function pictures() {
    const picture = (id, caption, description) => {
      parts[id] = make("canvas", { id: `play-${id}`, role: "img",
        "aria-label": description });
      return make("figure", { class: `play-figure play-figure-${id}` },
        make("figcaption", {}, caption), parts[id]);
    };
    const unitsOf = (run) => picture(`units-${run}`,
      `Largest units of run ${run.toUpperCase()}, by input`,
      `The twenty largest units of run ${run.toUpperCase()}: weights by input, the two ` +
      "inputs that make the label on top.");
    return [
      picture("accuracy", "Test accuracy", "Test accuracy against the step; the table " +
        "below has the last values."),
      picture("ratio", "Trace over its lower bound", "Trace of the Hessian over its " +
        "lower bound against the step; the table below has the last values."),
      ...RUNS.map(unitsOf),
    ];
  }

  /** All rows of both runs, and the settings, as a file. */
  function save() {
    const names = ["step", "loss", "trace", "bound", "trainAccuracy", "testAccuracy"];
    const lines = [`# ${format(state)}`, ["run", ...names].join(",")];
    for (const run of active()) {
      for (const row of results[run]?.rows ?? []) {
        lines.push([run, ...names.map((name) => row[name] ?? "diverged")].join(","));
      }
    }
    const file = new Blob([`${lines.join("\n")}\n`], { type: "text/csv" });
    const address = URL.createObjectURL(file);
    make("a", { href: address, download: "play.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  function open() {
    const first = playPresets[0];
    const base = { compare: true, shared: first.shared, a: first.a, b: first.b };
    const { state: read, problems } = parse(location.hash.slice(1), base);
    state = read;
    for (const show of parts.shows) show();
    if (location.hash.length < 2) choose(first);
    else reset();
    if (problems.length) say([parts.note.textContent, ...problems].join(" "));
  }

  function start() {
    const root = document.getElementById("play-live");
    build(root);
    open();
    window.addEventListener("hashchange", open);
    window.addEventListener("resize", drawSoon);
    new MutationObserver(drawSoon).observe(document.documentElement,
      { attributes: true, attributeFilter: ["data-theme"] });
  }

  start();
  return {
    given: (network) => ask({ what: "given", network }),
    rate: (request) => ask({ what: "rate", ...request }),
    rows: (run) => results[run]?.rows ?? [],
    phase: () => phase,
    rules: Object.keys(RULES),
    networks: Object.keys(NETWORKS),
  };
})();
