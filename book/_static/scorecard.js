// Counts the claims that the filter shows, hides headings without any, and keeps the
// choice in the address, so that it can be passed on. The filter itself is style alone.
addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form.claim-filter");
  if (!form) return;
  const fields = [...form.querySelectorAll("select")];
  const claims = [...document.querySelectorAll(".claim")];
  const count = form.querySelector(".claim-count");

  const show = () => {
    const left = new Set();
    let shown = 0;
    for (const claim of claims) {
      if (fields.every(({ value }) => !value || claim.classList.contains(value))) {
        shown += 1;
        left.add(claim.parentElement);
      }
    }
    for (const section of new Set(claims.map((claim) => claim.parentElement))) {
      section.hidden = !left.has(section);
    }
    count.textContent = `${shown} of ${claims.length} claims`;
  };

  const remember = () => {
    const chosen = fields.filter(({ value }) => value);
    const query = new URLSearchParams(chosen.map(({ name, value }) => [name, value]));
    const text = chosen.length ? `?${query}` : location.pathname;
    try {
      history.replaceState(null, "", text);
    } catch {
      // a browser may refuse that for a page from disk; the filter works without
    }
  };

  for (const field of fields) {
    const asked = new URLSearchParams(location.search).get(field.name);
    if (asked && [...field.options].some(({ value }) => value === asked)) {
      field.value = asked;
    }
  }
  form.addEventListener("change", () => { show(); remember(); });
  form.addEventListener("reset", () => setTimeout(() => { show(); remember(); }));
  show();
});
