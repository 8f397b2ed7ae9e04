// Lines of a file, chosen by mouse or keys and named in the address: #L3, #L3-L10.
// One number is a stop of the Tab key; arrows walk from it, with Shift they take lines along.

const NAMED = /^#L(\d+)(?:-L?(\d+))?$/;

export function followLines(holder) {
  const table = holder.querySelector("table.code:not(.diff)");
  const rows = table ? [...table.tBodies[0].rows] : [];
  if (!rows.length) return () => {};
  let anchor = 0; // where a range began
  let chosen = null; // [first, last], from 1
  const bar = toolbar();
  for (const row of rows) number(row).tabIndex = -1;
  number(rows[0]).tabIndex = 0;

  const line = (node) => rows.indexOf(node.closest("tr")) + 1;

  function show(first, last) {
    for (const row of table.querySelectorAll(".picked")) row.classList.remove("picked");
    chosen = first ? [Math.min(first, last), Math.min(Math.max(first, last), rows.length)] : null;
    if (!chosen || chosen[0] > rows.length) {
      chosen = null;
      bar.remove();
      return;
    }
    for (const row of rows.slice(chosen[0] - 1, chosen[1])) row.classList.add("picked");
    bar.firstChild.textContent = chosen[0] === chosen[1] ? `Line ${chosen[0]}` : `Lines ${chosen[0]}–${chosen[1]}`;
    holder.append(bar);
  }

  function choose(at, along) {
    if (!along || !anchor) anchor = at;
    show(anchor, at);
    const [first, last] = chosen;
    history.replaceState(history.state, "", first === last ? `#L${first}` : `#L${first}-L${last}`);
    stop(at);
  }

  function leave() {
    anchor = 0;
    show(0, 0);
    history.replaceState(history.state, "", location.pathname + location.search);
  }

  function stop(at) {
    table.querySelector('.ln a[tabindex="0"]').tabIndex = -1;
    number(rows[at - 1]).tabIndex = 0;
    number(rows[at - 1]).focus({ preventScroll: true });
    rows[at - 1].scrollIntoView({ block: "nearest" });
  }

  function fromAddress() {
    const named = NAMED.exec(location.hash);
    if (!named) return;
    const [first, last] = [Number(named[1]), Number(named[2] ?? named[1])];
    anchor = first;
    show(first, last);
    if (chosen) rows[chosen[0] - 1].scrollIntoView({ block: "center", behavior: "instant" });
  }

  function onClick(event) {
    const link = event.target.closest(".ln a");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.shiftKey) getSelection().removeAllRanges();
    choose(line(link), event.shiftKey);
  }

  function onKey(event) {
    const link = event.target.closest?.(".ln a");
    if (event.key === "Escape" && chosen) {
      leave();
      return;
    }
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = line(link);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 1, End: rows.length, Enter: at, " ": at }[event.key];
    if (!to) return;
    event.preventDefault();
    const near = Math.min(Math.max(to, 1), rows.length);
    if (event.shiftKey || event.key === "Enter" || event.key === " ") choose(near, event.shiftKey);
    else stop(near);
  }

  function onBar(event) {
    const does = event.target.dataset.does;
    if (does === "link") copy(event.target, location.href);
    if (does === "text") copy(event.target, rows.slice(chosen[0] - 1, chosen[1]).map(source).join("\n"));
    if (does === "none") leave();
  }

  table.addEventListener("click", onClick, true);
  holder.addEventListener("keydown", onKey);
  bar.addEventListener("click", onBar);
  window.addEventListener("hashchange", fromAddress);
  fromAddress();
  return () => {
    table.removeEventListener("click", onClick, true);
    holder.removeEventListener("keydown", onKey);
    window.removeEventListener("hashchange", fromAddress);
  };
}

const number = (row) => row.querySelector(".ln a");
const source = (row) => row.querySelector(".src").textContent;

function toolbar() {
  const bar = document.createElement("p");
  bar.className = "lines-bar";
  bar.setAttribute("role", "status");
  bar.append(document.createElement("b"));
  for (const [does, words] of [["link", "Copy link"], ["text", "Copy text"], ["none", "Clear"]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn small";
    button.dataset.does = does;
    button.textContent = words;
    bar.append(button);
  }
  return bar;
}

function copy(button, text) {
  const before = button.dataset.word ?? button.textContent;
  button.dataset.word = before;
  navigator.clipboard.writeText(text).then(
    () => (button.textContent = "Copied"),
    () => (button.textContent = "Not copied"),
  );
  setTimeout(() => (button.textContent = before), 1600);
}
