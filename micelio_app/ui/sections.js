// A difference too large for one answer: the list of its files at once, the lines of each when the
// reader comes near. `list` answers JSON with `changes`; `lines` answers one file's HTML for `&path=`.
import { jsx } from "@emotion/react";
import { useEffect, useRef, useState } from "react";
import { HtmlFragment } from "./fragment.js";
import { Path, Stat } from "./panes.js";

const NEAR = "900px"; // below and above the window: a file is there before the reader is
const HELD = 4000; // ms that a chosen file is kept in place
const LISTED = 60; // files named at the top until all are asked for
const MODES = { added: ["A", "a"], deleted: ["D", "d"], renamed: ["R", "m"], modified: ["M", "m"], type_changed: ["T", "m"] };

export function FileSections({ list, lines }) {
  const [changes, setChanges] = useState(null);
  const [failed, setFailed] = useState(false);
  const [all, setAll] = useState(false);
  const [turn, setTurn] = useState(0);

  useEffect(() => {
    const abort = new AbortController();
    fetch(list, { signal: abort.signal, credentials: "same-origin" })
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`answered ${answer.status}`))))
      .then((page) => setChanges(page.changes))
      .catch(() => abort.signal.aborted || setFailed(true));
    return () => abort.abort();
  }, [list, turn]);

  if (failed && !changes) {
    const again = () => {
      setFailed(false);
      setTurn((n) => n + 1);
    };
    return jsx("p", { className: "notice rust", role: "alert" }, [
      jsx("b", { key: "b" }, "The changes did not load."),
      jsx("button", { key: "a", type: "button", className: "btn small end", onClick: again }, "Try again"),
    ]);
  }
  if (!changes) return jsx("div", { className: "late", role: "status" }, "Counting the files …");
  const most = Math.max(...changes.map((file) => file.additions + file.deletions), 1);
  const listed = all ? changes : changes.slice(0, LISTED);
  return [
    jsx("ul", { key: "l", className: "touched listed" }, listed.map((file) => jsx(Entry, { key: file.path, file, most }))),
    listed.length < changes.length && jsx("p", { key: "m" },
      jsx("button", { type: "button", className: "btn small", onClick: () => setAll(true) }, `Name all ${changes.length} files`)),
    ...changes.map((file) => jsx(Section, { key: file.path, file, most, src: `${lines}&path=${encodeURIComponent(file.path)}` })),
  ];
}

const idOf = (path) => `file-${encodeURIComponent(path)}`;

function Entry({ file, most }) {
  const [letter, tone] = MODES[file.status] ?? MODES.modified;
  const go = (click) => {
    click.preventDefault();
    hold(document.getElementById(idOf(file.path)));
  };
  return jsx("li", {}, [
    jsx("span", { key: "m", className: `mode ${tone}`, title: file.status }, letter),
    jsx("a", { key: "a", className: "cut", href: `#${idOf(file.path)}`, title: file.path, onClick: go }, jsx(Path, { path: file.path })),
    file.binary ? jsx("span", { key: "s", className: "meta" }, "binary") : jsx(Stat, { key: "s", plus: file.additions, minus: file.deletions, most }),
  ]);
}

// Files above a chosen one find their true height while it is looked for: keep it in place until
// they have, or until the reader moves by themselves.
function hold(section) {
  if (!section) return;
  const align = () => section.scrollIntoView({ block: "start", behavior: "instant" });
  const grown = new ResizeObserver(align);
  const moves = ["wheel", "touchmove", "keydown", "pointerdown"];
  const letGo = () => {
    grown.disconnect();
    clearTimeout(timer);
    for (const move of moves) removeEventListener(move, letGo);
  };
  const timer = setTimeout(letGo, HELD);
  for (const move of moves) addEventListener(move, letGo, { passive: true });
  grown.observe(section.parentElement);
  align();
}

// Before its lines are here a file stands at about the height they will have, so that the bar at
// the side of the window tells the truth.
function Section({ file, most, src }) {
  const box = useRef(null);
  const [near, setNear] = useState(false);
  useEffect(() => {
    if (near) return undefined;
    const seen = new IntersectionObserver(([entry]) => entry.isIntersecting && setNear(true), { rootMargin: `${NEAR} 0px` });
    seen.observe(box.current);
    return () => seen.disconnect();
  }, [near]);
  const height = Math.min(file.additions + file.deletions, 400) * 20 + 40;
  return jsx("div", { ref: box, id: idOf(file.path), className: "one-file", style: { "--tall": `${height}px` } },
    near
      ? jsx(HtmlFragment, { src, label: file.path })
      : jsx("div", { "aria-hidden": true, className: "ahead filehead" }, [
          jsx(Path, { key: "p", path: file.path }),
          jsx(Stat, { key: "s", plus: file.additions, minus: file.deletions, most }),
        ]));
}
