// What scrolls sideways can be reached by the keyboard, and only while it scrolls. The
// theme sees to code and outputs; this sees to figures, formulas and tables.
(() => {
  const WHAT = "figure, .pst-scrollable-table-container, mjx-container, .cite-page pre";
  const mark = () => {
    for (const box of document.querySelectorAll(WHAT)) {
      const style = getComputedStyle(box);
      const scrolls = box.scrollWidth > box.clientWidth + 1 &&
        ["auto", "scroll"].includes(style.overflowX);
      if (scrolls) box.tabIndex = 0;
      else if (box.getAttribute("tabindex") === "0") box.removeAttribute("tabindex");
    }
  };
  let wait;
  const later = () => { clearTimeout(wait); wait = setTimeout(mark, 200); };
  addEventListener("load", () => {
    mark();
    window.MathJax?.startup?.promise?.then(mark);
  });
  addEventListener("resize", later);
  document.addEventListener("toggle", later, true);
})();
