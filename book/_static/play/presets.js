"use strict";

/* Between the marks: JSON, which the tests compare with the book's own settings. */
const playPresets =
  /* begin */
  [
    {
      "name": "It is the start",
      "look": "One network and one rule, from two starts. Which of the curves reaches the top?",
      "chapter": "start.html",
      "shared": {"d": 30, "n": 100, "seed": 1, "steps": 1000000},
      "a": {"net": "bias", "rule": "1-SAM", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 1, "c": 1, "width": 500},
      "b": {"net": "bias", "rule": "1-SAM", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 0.01, "c": 1, "width": 500}
    },
    {
      "name": "Scenario I",
      "look": "No bias, and two rules that flatten. Does either fail?",
      "chapter": "scenario-1.html",
      "shared": {"d": 30, "n": 100, "seed": 1, "steps": 1000000},
      "a": {"net": "no-bias", "rule": "1-SAM", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 1, "c": 1, "width": 500},
      "b": {"net": "no-bias", "rule": "SGD + wd", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 1, "c": 1, "width": 500}
    },
    {
      "name": "Scenario II",
      "look": "A bias, and nothing else is new. Compare where the two traces end with where the accuracies do.",
      "chapter": "scenario-2.html",
      "shared": {"d": 30, "n": 100, "seed": 1, "steps": 1000000},
      "a": {"net": "bias", "rule": "1-SAM", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 1, "c": 1, "width": 500},
      "b": {"net": "bias", "rule": "SGD + wd", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 1, "c": 1, "width": 500}
    },
    {
      "name": "Scenario III",
      "look": "A layer norm, from the source's small start and from a large one.",
      "chapter": "scenario-3.html",
      "shared": {"d": 30, "n": 100, "seed": 1, "steps": 1000000},
      "a": {"net": "sim-ln", "rule": "1-SAM", "eta": 0.1, "rho": 0.1, "decay": 0.05, "scale": 0.01, "c": 1, "width": 500},
      "b": {"net": "sim-ln", "rule": "1-SAM", "eta": 0.1, "rho": 0.1, "decay": 0.05, "scale": 1, "c": 1, "width": 500}
    },
    {
      "name": "From one start",
      "look": "Bias and Sim-LN, each with its own rate and radius, both from the small start.",
      "chapter": "start.html#from-one-start",
      "shared": {"d": 30, "n": 100, "seed": 1, "steps": 1000000},
      "a": {"net": "bias", "rule": "1-SAM", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 0.01, "c": 1, "width": 500},
      "b": {"net": "sim-ln", "rule": "1-SAM", "eta": 0.1, "rho": 0.1, "decay": 0.05, "scale": 0.01, "c": 1, "width": 500}
    },
    {
      "name": "The hinge",
      "look": "The input that the bias sees: 0 on the one side, 1 on the other. Move it.",
      "chapter": "hinge.html",
      "shared": {"d": 30, "n": 100, "seed": 1, "steps": 300000},
      "a": {"net": "bias", "rule": "1-SAM", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 1, "c": 0, "width": 200},
      "b": {"net": "bias", "rule": "1-SAM", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 1, "c": 1, "width": 200}
    },
    {
      "name": "The kinks",
      "look": "In the second run no unit may switch on or off during the ascent step.",
      "chapter": "eight-ways.html",
      "shared": {"d": 30, "n": 100, "seed": 1, "steps": 1000000},
      "a": {"net": "bias", "rule": "1-SAM", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 1, "c": 1, "width": 500},
      "b": {"net": "bias", "rule": "1-SAM, frozen pattern", "eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 1, "c": 1, "width": 500}
    }
  ]
  /* end */;
