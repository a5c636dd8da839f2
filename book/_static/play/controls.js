"use strict";

/** Elements, and the sliders and menus of the page. */
const playControls = (() => {
  /** Make an element: tag, attributes, children. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  /**
   * A slider or a menu of one setting, with its label and its value.
   *
   * @param {object} setting - of playSettings.
   * @param {string} name - of the setting.
   * @param {string} id - of the input.
   * @param {() => object} target - what holds the setting now.
   * @param {() => void} changed - called after the reader has changed it.
   * @returns {{row: HTMLElement, show: () => void}} `show` shows what the target holds.
   */
  function control(setting, name, id, target, changed) {
    const label = make("label", { for: id }, setting.label);
    const shown = make("output", { for: id });
    let input;
    if (setting.choices) {
      input = make("select", { id }, ...Object.entries(setting.choices)
        .map(([value, text]) => make("option", { value }, text)));
    } else {
      const last = setting.values.length - 1;
      input = make("input", { id, type: "range", min: 0, max: last, step: 1 });
    }
    input.addEventListener(setting.choices ? "change" : "input", () => {
      target()[name] = setting.choices ? input.value : setting.values[input.value];
      changed();
    });
    const row = make("div", { class: "play-control" }, label, input,
      ...(setting.choices ? [] : [shown]));
    const show = () => {
      const value = target()[name];
      const idle = Boolean(setting.used && !setting.used(target()));
      row.classList.toggle("play-idle", idle);
      input.disabled = idle;
      if (setting.choices) {
        input.value = value;
      } else {
        input.value = setting.values.indexOf(value);
        const text = idle ? "not used" : value.toLocaleString("en-GB",
          { maximumSignificantDigits: 6 });
        shown.textContent = text;
        input.setAttribute("aria-valuetext", text);
      }
    };
    return { row, show };
  }

  return { make, control };
})();
