"use strict";

/**
 * The settings of the page: what there is, between what bounds, and how a link holds
 * them. Knows nothing of the document.
 */
const playSettings = (() => {
  /** Round numbers from 10^low to 10^high, six a decade. */
  function decades(low, high) {
    const found = [];
    for (let k = low; k < high; k++) {
      for (const digit of [1, 1.5, 2, 3, 5, 7]) {
        found.push(Number((digit * 10 ** k).toPrecision(2)));
      }
    }
    return [...found, 10 ** high];
  }

  function steadily(from, to, by) {
    const count = Math.round((to - from) / by);
    return Array.from({ length: count + 1 }, (_, k) =>
      Number((from + k * by).toPrecision(6)));
  }

  const RULES = {
    "SGD": { climbs: false, decays: false },
    "SGD + wd": { climbs: false, decays: true },
    "1-SAM": { climbs: true, decays: false },
    "1-SAM + wd": { climbs: true, decays: true },
    "1-SAM, frozen pattern": { climbs: true, decays: false },
    "1-SAM + wd, frozen pattern": { climbs: true, decays: true },
  };

  const NETWORKS = { "no-bias": "No-Bias", "bias": "Bias", "sim-ln": "Sim-LN" };

  /** Of both runs. */
  const SHARED = {
    d: { label: "inputs d", values: steadily(4, 60, 1) },
    n: { label: "examples n", values: steadily(5, 400, 5) },
    seed: { label: "seed", values: steadily(0, 200, 1) },
    steps: {
      label: "steps",
      values: [1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7],
    },
  };

  /** Of one run. `used` says when a setting has an effect. */
  const OWN = {
    net: { label: "network", choices: NETWORKS },
    rule: {
      label: "rule",
      choices: Object.fromEntries(Object.keys(RULES).map((name) => [name, name])),
    },
    eta: { label: "rate η", values: decades(-4, 0) },
    rho: {
      label: "radius ρ",
      values: decades(-3, 0),
      used: (run) => RULES[run.rule].climbs,
    },
    decay: {
      label: "decay λ",
      values: decades(-4, 0),
      used: (run) => RULES[run.rule].decays,
    },
    scale: { label: "start ×", values: decades(-3, 1) },
    c: {
      label: "bias input c",
      values: steadily(0, 3, 0.05),
      used: (run) => run.net !== "no-bias",
    },
    width: {
      label: "width",
      values: [8, 16, 24, 32, 48, 64, 100, 150, 200, 300, 400, 500],
    },
  };

  /** Why a setting cannot be run; an empty text where it can. */
  function refusal({ shared }) {
    const corners = 2 ** shared.d;
    if (shared.n > corners / 2) {
      return `n = ${shared.n}: at d = ${shared.d} there are ${corners} points, of ` +
        `which at most ${corners / 2} can be trained on, so that some are left to test.`;
    }
    return "";
  }

  /** The value that a setting can have and that is nearest. */
  function nearest(values, wanted) {
    return values.reduce((best, value) =>
      Math.abs(value - wanted) < Math.abs(best - wanted) ? value : best);
  }

  /** Read one value of a link; what was wrong with it goes to `problems`. */
  function read(setting, name, text, problems) {
    if (setting.choices) {
      if (text in setting.choices) return text;
      problems.push(`${name} = ${text}: allowed are ` +
        Object.keys(setting.choices).join(", "));
      return undefined;
    }
    const wanted = Number(text);
    if (text.trim() === "" || !Number.isFinite(wanted)) {
      problems.push(`${name} = ${text}: must be a number`);
      return undefined;
    }
    const value = nearest(setting.values, wanted);
    if (value !== wanted) {
      const last = setting.values.length - 1;
      problems.push(`${name} = ${text}: allowed are steps from ${setting.values[0]} ` +
        `to ${setting.values[last]}; ${value} is taken`);
    }
    return value;
  }

  /**
   * Settings from the part of an address after "#", over given ones.
   *
   * @returns {{state: object, problems: string[]}} what was wrong, a line each.
   */
  function parse(text, base) {
    const state = structuredClone(base);
    const problems = [];
    for (const [name, value] of new URLSearchParams(text)) {
      const [run, own] = name.split(".");
      if (name === "compare" && ["0", "1"].includes(value)) {
        state.compare = value === "1";
      } else if (name in SHARED) {
        state.shared[name] = read(SHARED[name], name, value, problems)
          ?? state.shared[name];
      } else if (["a", "b"].includes(run) && own in OWN) {
        state[run][own] = read(OWN[own], name, value, problems) ?? state[run][own];
      } else {
        problems.push(`${name} = ${value}: there is no such setting`);
      }
    }
    return { state, problems };
  }

  /** All settings as the part of an address after "#". */
  function format(state) {
    const words = new URLSearchParams();
    for (const name of Object.keys(SHARED)) words.set(name, state.shared[name]);
    words.set("compare", state.compare ? "1" : "0");
    for (const run of ["a", "b"]) {
      for (const name of Object.keys(OWN)) words.set(`${run}.${name}`, state[run][name]);
    }
    return words.toString();
  }

  return { SHARED, OWN, RULES, NETWORKS, refusal, parse, format };
})();
