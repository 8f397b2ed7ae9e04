// Keys and copy buttons of every page. No framework: it works before the pages wake up and
// when they never do. Buttons and fields name themselves with data-* attributes.
(() => {
  const GO = { h: "/" };
  const MENUS = ".account[open], .unfolds[open]";
  let leader = 0;

  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");
  const sheet = (id) => document.getElementById(id);

  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const text = copy.dataset.copy && copy.dataset.copy !== "true" ? copy.dataset.copy : copy.parentElement.querySelector("code").textContent;
      await navigator.clipboard.writeText(text).then(
        () => say(copy, "Copied"),
        () => say(copy, "Select it"),
      );
    }
    if (event.target.closest("[data-keys]")) sheet("keys")?.showModal();
    if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
    if (event.target.matches("dialog")) event.target.close();
  });

  // What the address says goes with a form even when it is sent before the page woke up.
  document.addEventListener("submit", ({ target }) => {
    const asked = new URLSearchParams(location.search);
    for (const name of ["token", "next"]) {
      const field = target.elements.namedItem(name);
      if (field?.type === "hidden" && !field.value) field.value = asked.get(name) ?? "";
    }
  });

  function say(button, word) {
    const before = button.dataset.word ?? button.textContent;
    button.dataset.word = before;
    button.textContent = word;
    clearTimeout(button.back);
    button.back = setTimeout(() => (button.textContent = before), 1600);
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return back(event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return undefined;
    const after = Date.now() - leader < 1200;
    leader = event.key === "g" ? Date.now() : 0;
    if (after && GO[event.key]) return follow(GO[event.key]);
    if (event.key === "?") return open(event, "keys");
    return undefined;
  });

  // One step back: the menu, then the form, then the field, then what was picked.
  function back(target) {
    const menu = document.querySelector(MENUS);
    const cancel = document.querySelector("[data-cancel]");
    if (document.querySelector("dialog[open]")) return; // the browser closes it
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (cancel && (!typing(target) || !target.value)) cancel.click();
    else if (typing(target)) target.blur();
    else document.querySelectorAll(".picked").forEach((row) => row.classList.remove("picked"));
  }

  document.addEventListener("click", ({ target }) => {
    for (const menu of document.querySelectorAll(MENUS)) {
      // A link in a menu stays in the page, where the menu would stay open.
      if (!menu.contains(target) || target.closest(".menu a")) menu.open = false;
    }
  });

  function open(event, id) {
    event.preventDefault();
    const found = sheet(id);
    if (found?.open) found.close();
    else found?.showModal();
  }

  // A click on a link of ours stays in the page; without one, load.
  function follow(address) {
    const link = document.querySelector(`a[href="${address}"]`);
    if (link) link.click();
    else location.assign(address);
  }
})();
