"use strict";

/**
 * The drawings of the page, on canvases. Colours come from the style sheet, so that
 * they follow the theme.
 */
const playCharts = (() => {
  const MARGIN = { left: 46, right: 10, top: 10, bottom: 34 };
  const DASHES = { a: [], b: [6, 4] };

  function colour(canvas, name) {
    return getComputedStyle(canvas).getPropertyValue(name).trim();
  }

  /** A context in CSS pixels, cleared, sharp on every screen. */
  function context(canvas) {
    const { clientWidth, clientHeight } = canvas;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(clientWidth * ratio);
    canvas.height = Math.round(clientHeight * ratio);
    const paint = canvas.getContext("2d");
    paint.scale(ratio, ratio);
    paint.clearRect(0, 0, clientWidth, clientHeight);
    paint.font = "12px system-ui, sans-serif";
    return { paint, wide: clientWidth, high: clientHeight };
  }

  function power(exponent) {
    const signs = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    return exponent === 0 ? "1" : exponent === 1 ? "10" : `10${signs[exponent]}`;
  }

  /**
   * Curves against the logarithm of the step.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {{key: string, points: [number, number][]}[]} runs - "a" and "b".
   * @param {{last: number, low: number, high: number, logarithmic: boolean,
   *   ticks: [number, string][], dotted: number[]}} axes
   */
  function curves(canvas, runs, axes) {
    const { paint, wide, high } = context(canvas);
    const across = wide - MARGIN.left - MARGIN.right;
    const up = high - MARGIN.top - MARGIN.bottom;
    const decades = Math.log10(axes.last);
    const scaled = (value) => axes.logarithmic ? Math.log10(value) : value;
    const [bottom, top] = [scaled(axes.low), scaled(axes.high)];
    const atX = (step) => MARGIN.left + (Math.log10(Math.max(step, 1)) / decades) * across;
    const atY = (value) => {
      const inside = Math.min(Math.max(value, axes.low), axes.high);
      return MARGIN.top + up * (1 - (scaled(inside) - bottom) / (top - bottom));
    };
    paint.strokeStyle = colour(canvas, "--play-grid");
    paint.fillStyle = colour(canvas, "--play-text");
    paint.lineWidth = 1;
    paint.textAlign = "right";
    paint.textBaseline = "middle";
    for (const [value, text] of axes.ticks) {
      paint.setLineDash(axes.dotted.includes(value) ? [2, 3] : []);
      line(paint, [[MARGIN.left, atY(value)], [wide - MARGIN.right, atY(value)]]);
      paint.fillText(text, MARGIN.left - 6, atY(value));
    }
    paint.setLineDash([]);
    paint.textAlign = "center";
    paint.textBaseline = "top";
    for (let k = 0; k <= decades + 1e-9; k++) {
      paint.fillText(power(k), atX(10 ** k), high - MARGIN.bottom + 6);
    }
    paint.fillText("steps", MARGIN.left + across / 2, high - 13);
    for (const { key, points } of runs) {
      if (points.length === 0) continue;
      paint.strokeStyle = paint.fillStyle = colour(canvas, `--play-${key}`);
      paint.lineWidth = 2.2;
      paint.setLineDash(DASHES[key]);
      line(paint, points.map(([step, value]) => [atX(step), atY(value)]));
      const [step, value] = points[points.length - 1];
      paint.beginPath();
      paint.arc(atX(step), atY(value), 3.5, 0, 2 * Math.PI);
      paint.fill();
    }
    paint.setLineDash([]);
  }

  function line(paint, points) {
    paint.beginPath();
    points.forEach(([x, y], k) => k ? paint.lineTo(x, y) : paint.moveTo(x, y));
    paint.stroke();
  }

  /**
   * The largest units as columns of weights, over the largest weight: one colour is
   * positive, the other negative. A line parts the two inputs that make the label.
   */
  function units(canvas, { inputs, columns }) {
    const { paint, wide, high } = context(canvas);
    const largest = columns.flat().reduce((m, a) => Math.max(m, Math.abs(a)), 0);
    const left = 34;
    const across = (wide - left) / columns.length;
    const down = high / inputs;
    const signs = [colour(canvas, "--play-minus"), colour(canvas, "--play-plus")];
    columns.forEach((column, j) => column.forEach((weight, i) => {
      const share = largest > 0 ? Math.abs(weight) / largest : 0;
      if (!(share > 0)) return;
      paint.globalAlpha = Math.min(1, share);
      paint.fillStyle = signs[weight > 0 ? 1 : 0];
      // half a pixel more, so that no seams are seen
      paint.fillRect(left + j * across, i * down, across + 0.5, down + 0.5);
    }));
    paint.globalAlpha = 1;
    paint.strokeStyle = paint.fillStyle = colour(canvas, "--play-text");
    paint.lineWidth = 1;
    line(paint, [[left, 2 * down], [wide, 2 * down]]);
    paint.textAlign = "right";
    paint.textBaseline = "middle";
    paint.fillText("1, 2", left - 6, Math.max(8, down));
    paint.fillText(`3 …`, left - 6, Math.max(26, 3 * down));
    paint.fillText("last", left - 6, high - Math.max(8, down / 2));
  }

  return { curves, units };
})();
