// The changes of a session: every file with its count, and the lines of one of them.
//
// It shows the newest change until the reader chooses a file or scrolls in its lines; from then on
// nothing moves under them and a word offers the way back. Lines come from the server as HTML, and
// only rows that differ are put into the table, so what stands there stays where it is.
import { jsx } from "@emotion/react";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link } from "react-router";
import { useEvents } from "./live.js";
import { foldFiles, Path, Stat } from "./panes.js";

const GATHER = 80; // ms: several saves at once are one fetch
const PATIENCE = 300; // look.md 9: under this nothing is said about loading
const GLOWING = 200; // rows; more than these at once are a new file and do not glow
const MODES = { added: ["A", "a"], deleted: ["D", "d"], renamed: ["R", "m"], modified: ["M", "m"] };

export function ChangesPane({ session, after, edit }) {
  const { events, state } = useEvents(session, after);
  const files = useMemo(() => foldFiles(events), [events]);
  const [picked, setPicked] = useState(null);
  const [view, setView] = useState("unified");
  const newest = files.length ? files.reduce((a, b) => (a.sequence > b.sequence ? a : b)) : null;
  const shown = files.find((file) => file.path === picked) ?? newest;
  if (!files.length) {
    return jsx("section", { className: "pane", "aria-labelledby": "changes" }, [
      jsx("header", { key: "h", className: "head" }, jsx("h2", { id: "changes" }, "Changes")),
      state === "open" && jsx("p", { key: "p", className: "inner soft" }, "No file changed yet."),
    ]);
  }
  const [plus, minus] = [sum(files, "plus"), sum(files, "minus")];
  return jsx("section", { className: "pane changes", "aria-labelledby": "changes" }, [
    jsx("header", { key: "h", className: "head" }, [
      jsx("h2", { key: "t", id: "changes" }, "Changes"),
      jsx("span", { key: "c", className: "count" }, files.length === 1 ? "1 file" : `${files.length} files`),
      jsx(Stat, { key: "s", plus, minus, loose: true }),
      jsx("span", { key: "v", className: "end line close" }, [
        edit && shown.status !== "deleted" && jsx(Edit, { key: "e", edit, session, path: shown.path }),
        jsx(Views, { key: "v", view, setView }),
      ]),
    ]),
    jsx(Files, { key: "l", files, shown, onPick: (file) => setPicked(file.path) }),
    jsx(Lines, {
      key: "d",
      session,
      view,
      file: shown,
      newest,
      following: picked === null,
      hold: () => setPicked(shown.path),
      follow: () => setPicked(null),
    }),
  ]);
}

function Edit({ edit, session, path }) {
  const file = path.split("/").map(encodeURIComponent).join("/");
  return jsx(Link, { className: "btn small", to: `${edit}/edit/${file}?session=${session}`, "aria-label": `Edit ${path}` }, "Edit");
}

function Views({ view, setView }) {
  const choice = (name, word) =>
    jsx("button", { key: name, type: "button", className: "btn small", "aria-pressed": view === name, onClick: () => setView(name) }, word);
  return jsx("span", { className: "btns only-wide" }, [choice("unified", "Unified"), choice("split", "Side by side")]);
}

function Files({ files, shown, onPick }) {
  const list = useRef(null);
  const most = Math.max(...files.map((file) => file.plus + file.minus), 1);
  useEffect(() => {
    const row = list.current?.querySelector("[aria-current]");
    if (!row) return;
    const above = row.offsetTop - list.current.offsetTop;
    if (above < list.current.scrollTop) list.current.scrollTop = above;
    else if (above + row.offsetHeight > list.current.scrollTop + list.current.clientHeight) list.current.scrollTop = above + row.offsetHeight - list.current.clientHeight;
  }, [shown.path]);
  return jsx("ul", { ref: list, className: "touched inner", tabIndex: files.length > 8 ? 0 : undefined, "aria-label": "Changed files" },
    files.map((file) => {
      const [letter, tone] = MODES[file.status] ?? MODES.modified;
      return jsx("li", { key: file.path, "aria-current": file === shown || undefined }, [
        jsx("span", { key: "m", className: `mode ${tone}`, title: file.status }, letter),
        jsx("button", { key: "a", type: "button", className: "cut", title: file.path, onClick: () => onPick(file) }, jsx(Path, { path: file.path })),
        jsx(Stat, { key: "s", plus: file.plus, minus: file.minus, most }),
      ]);
    }));
}

function Lines({ session, view, file, newest, following, hold, follow }) {
  const box = useRef(null);
  const held = useRef(null);
  const [phase, setPhase] = useState("quiet");
  const [turn, setTurn] = useState(0);
  const src = `/_fragments/sessions/${session}/changes?view=${view}&path=${encodeURIComponent(file.path)}`;

  useEffect(() => {
    const abort = new AbortController();
    const patience = setTimeout(() => setPhase((now) => (now === "shown" ? now : "waiting")), PATIENCE);
    const gather = setTimeout(async () => {
      try {
        const answer = await fetch(src, { signal: abort.signal, credentials: "same-origin", headers: { accept: "text/html" } });
        if (!answer.ok) throw new Error(`answered ${answer.status}`);
        const html = await answer.text();
        if (!held.current) return;
        const grown = put(held.current, html, `${view} ${file.path}`);
        setPhase("shown");
        if (following && grown) bring(box.current, grown);
      } catch {
        if (!abort.signal.aborted) setPhase("failed");
      } finally {
        clearTimeout(patience);
      }
    }, GATHER);
    return () => {
      abort.abort();
      clearTimeout(gather);
      clearTimeout(patience);
    };
  }, [src, file.sequence, turn]);

  // Only what the reader does counts; scrolling by `bring` makes none of these.
  const took = () => following && hold();
  const onKeyDown = ({ key }) => ["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End", " "].includes(key) && took();
  const missed = !following && newest.path !== file.path;
  return jsx("div", { ref: box, className: "lines", tabIndex: 0, role: "group", "aria-busy": phase === "quiet" || phase === "waiting", "aria-label": `Changes of ${file.path}`, onWheel: took, onTouchMove: took, onKeyDown }, [
    jsx("div", { key: "h", ref: held, hidden: phase === "waiting" || phase === "failed" }),
    phase === "waiting" && jsx("div", { key: "w", className: "stack tight inner", role: "status", "aria-label": "Loading changes" },
      [72, 94, 41].map((width) => jsx("i", { key: width, className: "wait", style: { "--w": `${width}%` } }))),
    phase === "failed" && jsx("p", { key: "f", className: "notice rust", role: "alert" }, [
      jsx("b", { key: "b" }, "These lines did not load."),
      jsx("button", { key: "a", type: "button", className: "btn small end", onClick: () => setTurn((n) => n + 1) }, "Try again"),
    ]),
    missed && jsx("p", { key: "n", className: "follow" },
      jsx("button", { type: "button", className: "btn primary small", onClick: follow }, "Newest: ", name(newest.path))),
  ]);
}

/** Puts the lines in; answers the first row that is new in a table that stood there before. */
function put(holder, html, key) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const [before, after] = [holder.querySelector("tbody"), fresh.content.querySelector("tbody")];
  const same = holder.dataset.key === key;
  holder.dataset.key = key;
  if (!same || !before || !after) {
    holder.replaceChildren(fresh.content);
    if (!same) holder.parentElement.scrollTop = 0;
    return same ? holder : null;
  }
  return merge(before, after);
}

function merge(table, wanted) {
  const [old, rows] = [[...table.rows], [...wanted.rows]];
  const text = (row) => (row.classList.contains("growing") ? row.outerHTML.replace(/ class="growing"|\bgrowing ?/, "") : row.outerHTML);
  const [olds, news] = [old.map(text), rows.map((row) => row.outerHTML)];
  let [top, end] = [0, 0];
  while (top < Math.min(olds.length, news.length) && olds[top] === news[top]) top += 1;
  while (end < Math.min(olds.length, news.length) - top && olds.at(-1 - end) === news.at(-1 - end)) end += 1;
  const grown = rows.slice(top, rows.length - end);
  for (const row of old.slice(top, old.length - end)) row.remove();
  const known = new Set(olds.slice(top, olds.length - end).map(bare));
  const glowing = grown.filter((row) => !known.has(bare(row.outerHTML)));
  if (glowing.length <= GLOWING) for (const row of glowing) row.classList.add("growing");
  const next = end ? old[old.length - end] : null;
  for (const row of grown) table.insertBefore(row, next);
  return glowing[0] ?? grown[0] ?? null;
}

// A row without its numbers: one that only moved is not new.
const bare = (html) => html.replace(/(<td class="ln[^"]*">)\d*(<\/td>)/g, "$1$2");

function bring(box, row) {
  if (getComputedStyle(box).overflowY !== "auto") return; // on a phone the window is the reader's
  const [inside, around] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
  if (inside.top < around.top || inside.bottom > around.bottom) box.scrollTop += inside.top - around.top - box.clientHeight / 3;
}

const name = (path) => path.slice(path.lastIndexOf("/") + 1);
const sum = (files, name) => files.reduce((total, file) => total + file[name], 0);
