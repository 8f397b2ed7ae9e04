// Keys and copy buttons of every page. No framework: it works before the pages wake up and
// when they never do. Buttons and fields name themselves with data-* attributes:
//
// data-key="g h"     what these keys press, or put the cursor in (micelio_app/keys.py has the table); it is
//                    seen, or one of the #actions that stand on every page for the palette
// data-copy          copies its text, or that of the <code> beside it
// data-copy-from     copies what this address answers
// data-palette       opens the palette; "files" to find files only
(() => {
  const MENUS = ".account[open], .unfolds[open]";
  const TURN = 1200; // milliseconds within which a second key belongs to the first
  let leader = 0;
  let early = null; // what is typed while the palette is still being fetched

  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");
  const sheet = (id) => document.getElementById(id);

  document.addEventListener("click", (event) => {
    const copy = event.target.closest("[data-copy], [data-copy-from]");
    if (copy) copied(copy).then(() => say(copy, "Copied"), () => say(copy, copy.dataset.copyFrom ? "Not copied" : "Select it"));
    const opens = event.target.closest("[data-palette]");
    if (opens) palette(opens.dataset.palette);
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

  async function copied(button) {
    if (button.dataset.copyFrom) return copiedFrom(button.dataset.copyFrom);
    const given = button.dataset.copy;
    const text = given && given !== "true" ? given : button.parentElement.querySelector("code").textContent;
    return navigator.clipboard.writeText(text);
  }

  // Safari takes a promise of the text only; after an `await` the click is forgotten there.
  async function copiedFrom(address) {
    const text = fetch(address, { credentials: "same-origin" }).then((answer) => {
      if (!answer.ok) throw new Error(`answered ${answer.status}`);
      return answer.text();
    });
    const blob = text.then((words) => new Blob([words], { type: "text/plain" }));
    return navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
  }

  function say(button, word) {
    const before = button.dataset.word ?? button.textContent;
    button.dataset.word = before;
    button.textContent = word;
    clearTimeout(button.back);
    button.back = setTimeout(() => (button.textContent = before), 1600);
  }

  document.addEventListener("keydown", (event) => {
    if (early !== null) return keep(event);
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return palette("");
    }
    if (event.key === "Escape") return back(event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return undefined;
    const open = document.querySelector("dialog[open]");
    const keys = Date.now() - leader < TURN ? `g ${event.key}` : event.key;
    leader = keys === "g" && !open ? Date.now() : 0;
    if (keys === "?" && (!open || open.id === "keys")) return toggle(event, "keys");
    if (open) return undefined;
    if (keys === "t" && sheet("place")) {
      event.preventDefault();
      return palette("files");
    }
    return press(event, keys);
  });

  function press(event, keys) {
    const carry = [...document.querySelectorAll("[data-key]")].filter((one) => one.dataset.key === keys);
    const found = carry.find((one) => one.getClientRects().length || one.closest("#actions"));
    if (!found) return;
    event.preventDefault();
    if (found.matches("input, textarea, select")) found.focus();
    else found.click();
  }

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

  function toggle(event, id) {
    event.preventDefault();
    const found = sheet(id);
    if (found?.open) found.close();
    else found?.showModal();
  }

  // It comes when it is first asked for, so that no page is heavier for it; no letter is lost meanwhile.
  function palette(mode) {
    early ??= "";
    import("/palette.js")
      .then((module) => module.open(mode, early))
      .finally(() => (early = null));
  }

  function keep(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.length === 1) early += event.key;
    else if (event.key === "Backspace") early = early.slice(0, -1);
    else return;
    event.preventDefault();
  }
})();
