// The timeline of a session: every event once, in order, as rows on a thread (look.md 3, session).
import { jsx } from "@emotion/react";
import { memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { loadEarlier, useEvents, useKeys } from "./live.js";
import { clean, command, LiveState, Path } from "./panes.js";

const FILTERS = [
  ["prompt", "Prompts", "prompt"],
  ["message", "Messages", "message"],
  ["tool", "Tools", "tool"],
  ["edit", "Edits", "edit"],
  ["error", "Errors", "error"],
  ["decision", "Decisions", "decision"],
];
const PAGE = 200; // earlier events loaded at once
const SHOWN = 1500; // rows in the document; older ones come back with "Show earlier"
const NEAR = 64; // px from the end that still counts as the end
const DIFF_LINES = 40;
const OUT_LINES = 60;
const SHORT = 40; // a result this short stands in the row itself
const NEWS = new Set(["status", "diff", "error", "permission"]); // what may move the head of the page
const NEWS_REST = 500; // ms between two tellings

export function EventFeed({ session, started, after, known, running, onNews }) {
  const { events, state, first } = useEvents(session, after);
  const [filter, setFilter] = useState(null);
  const rows = useMemo(() => toRows(events), [events]);
  const wanted = filter ? rows.filter((row) => row.group === filter) : rows;
  const shown = wanted.slice(-SHOWN);
  const last = events.at(-1)?.sequence ?? 0;
  // Until what had happened when the page was asked for is there, it is not laid out for good.
  const caught = useRef(false);
  caught.current ||= state !== "waiting" && last >= known;
  const list = useRef(null);
  const { fresh, toEnd } = useFollow(list, last, running);
  useJumps(list, toEnd);
  useNews(events, onNews);
  const begin = Date.parse(started);
  const hidden = wanted.length - shown.length > 0 || (first ?? after + 1) > 1;
  return jsx("section", { className: "pane feed", "aria-label": "Timeline" }, [
    jsx(Filters, { key: "f", rows, filter, setFilter }),
    jsx(LiveState, { key: "s", session, after }),
    jsx("ol", { key: "l", ref: list, className: "timeline", "aria-busy": !caught.current }, [
      hidden && jsx("li", { key: "earlier", className: "earlier" },
        jsx("button", { type: "button", className: "btn quiet small", onClick: () => loadEarlier(session, PAGE) }, "Show earlier")),
      ...shown.map((row, index) => jsx(Row, { key: row.sequence, row, begin, open: running && index === shown.length - 1 })),
    ]),
    !rows.length && state === "open" && jsx("div", { key: "e", className: "empty inner" },
      jsx("b", {}, "Nothing happened yet"), jsx("p", {}, "Notes, decisions, changes and tool calls appear here as they come.")),
    fresh > 0 && jsx("p", { key: "n", className: "follow" },
      jsx("button", { type: "button", className: "btn primary small", onClick: toEnd },
        `${fresh} new `, jsx("span", { "aria-hidden": true }, "↓"))),
  ]);
}

function Filters({ rows, filter, setFilter }) {
  const counts = {};
  for (const { group } of rows) counts[group] = (counts[group] ?? 0) + 1;
  const chip = (name, label, count, kind) =>
    jsx("label", { key: name ?? "all", className: "chip" }, [
      jsx("input", { key: "i", type: "radio", name: "kind", checked: filter === name, onChange: () => setFilter(name) }),
      kind && jsx("i", { key: "s", className: "swatch", style: { "--c": `var(--kind-${kind})` } }),
      label, " ",
      jsx("span", { key: "c", className: "count" }, count),
    ]);
  const some = FILTERS.filter(([name]) => counts[name]).map(([name, label, kind]) => chip(name, label, counts[name], kind));
  return jsx("header", { className: "head" }, [
    jsx("h2", { key: "h", className: "hush" }, "Timeline"),
    jsx("div", { key: "c", className: "chips", role: "radiogroup", "aria-label": "Filter by kind" }, [chip(null, "All", rows.length), ...some]),
    counts.error > 0 && jsx("span", { key: "k", className: "end only-wide" }, jsx("kbd", {}, "e"), " next error"),
  ]);
}

// Rows. A tool call, what it printed and how it ended are one row; so are chunks of output and progress.
function toRows(events) {
  const rows = [];
  const calls = new Map();
  for (const event of events) {
    const call = calls.get(event.parent);
    if (call && event.kind === "output") append(call, event);
    else if (call && event.kind === "tool_result") settle(call, event);
    else if (event.kind === "usage") continue;
    else if (joins(rows.at(-1), event)) append(rows.at(-1), event);
    else {
      const row = { ...read(event), event, sequence: event.sequence, version: event.sequence };
      rows.push(row);
      if (event.kind === "tool_call") for (const name of [event.id, event.client_id]) if (name) calls.set(name, row);
    }
  }
  return rows;
}

function joins(row, event) {
  const same = row && row.event.kind === event.kind && row.event.parent === event.parent;
  return same && (event.kind === "output" || event.kind === "progress");
}

function append(row, event) {
  if (event.kind === "progress") row.text = said(event.body);
  else row.out = (row.out ?? "") + (event.body?.text ?? "");
  row.version = event.sequence;
}

function settle(row, event) {
  const { ok, text } = event.body ?? {};
  row.kind = ok === false ? "error" : row.kind === "tool" && ok === true && command(row.event.body) ? "pass" : row.kind;
  if (ok === false) row.group = "error";
  row.result = { ok, text: typeof text === "string" ? text : "", took: Date.parse(event.time) - Date.parse(row.event.time) };
  row.version = event.sequence;
}

const said = (body) => (typeof body?.text === "string" ? body.text : typeof body?.message === "string" ? body.message : "");

function read({ kind, body }) {
  if (kind === "prompt") return { group: "prompt", kind: "prompt", text: said(body) };
  if (kind === "message") {
    if (body?.role === "human" && !body.decision) return { group: "prompt", kind: "prompt", text: said(body) };
    return body?.decision ? { group: "decision", kind: "decision", text: said(body) } : { group: "message", kind: "message", text: said(body) };
  }
  if (kind === "permission") return { group: "decision", kind: "decision", text: said(body), label: "asks" };
  if (kind === "tool_call") return { group: "tool", kind: "tool", name: body?.name ?? "Tool", text: command(body) || target(body) };
  if (kind === "tool_result") {
    const ok = body?.ok !== false;
    return { group: ok ? "tool" : "error", kind: ok ? "pass" : "error", name: body?.name ?? "Result", text: said(body).split("\n")[0], out: said(body) };
  }
  if (kind === "diff") return { group: "edit", kind: "edit", name: body?.reverted ? "Revert" : EDITS[body?.status] ?? "Edit", path: body?.path ?? "", patch: body?.patch };
  if (kind === "error") return { group: "error", kind: "error", text: said(body), name: "Error" };
  if (kind === "output") return { group: "tool", kind: "quiet", text: "Output", out: body?.text ?? "" };
  if (kind === "plan") return { group: "tool", kind: "tool", name: "Plan", text: planned(body) };
  if (kind === "artifact") return { group: "tool", kind: "tool", name: "Made", text: body?.name ?? said(body), href: body?.url };
  if (kind === "thinking") return { group: "quiet", kind: "quiet", text: "Thought", out: said(body) };
  if (kind === "status" && ENDS[body?.state]) return { group: "quiet", ...ENDS[body.state](body) };
  if (kind === "checkpoint") return { group: "quiet", kind: "quiet", text: `Pushed: ${said(body)}` };
  const words = said(body) || body?.state || "";
  return { group: "quiet", kind: "quiet", text: words ? words : kind, out: words ? "" : JSON.stringify(body, null, 1) };
}

// How the place of the session in its own life moved.
const ENDS = {
  landed: (body) => ({ kind: "pass", name: "Landed", text: `at position ${body.position}` }),
  abandoned: (body) => ({ kind: "error", name: "Abandoned", text: said(body) }),
  pending_review: (body) => ({ kind: "decision", text: ["Waits for review", said(body)].join("\n"), label: "" }),
};

const EDITS = { added: "Write", deleted: "Delete", renamed: "Rename", modified: "Edit" };

function target(body) {
  const { input = body?.arguments } = body ?? {};
  const named = input?.path ?? input?.file_path ?? input?.pattern ?? input?.query ?? body?.path ?? body?.text;
  return typeof named === "string" ? named : "";
}

function planned(body) {
  const steps = Array.isArray(body?.steps) ? body.steps : [];
  const now = steps.find((step) => ["running", "active", "doing"].includes(step.state));
  const done = steps.filter((step) => step.state === "done").length;
  return now ? `${done} of ${steps.length}, now: ${now.text}` : `${done} of ${steps.length} steps done`;
}

const Row = memo(
  function Row({ row, begin, open }) {
    const { event, kind } = row;
    const at = clock(Date.parse(event.time) - begin);
    const talk = kind === "prompt";
    return jsx("li", { className: open ? "event open" : "event", id: `e${row.sequence}`, "data-kind": kind }, [
      jsx("time", { key: "t", dateTime: event.time, title: `Event ${row.sequence}, ${at} after the start` },
        jsx("a", { href: `#e${row.sequence}` }, at)),
      talk
        ? jsx("img", { key: "n", className: "avatar", alt: "", src: `/avatars/${encodeURIComponent(event.actor || "?")}.svg` })
        : jsx("i", { key: "n", className: "node" }),
      jsx("div", { key: "w", className: "what" }, jsx(What, { row })),
    ]);
  },
  (a, b) => a.row.sequence === b.row.sequence && a.row.version === b.row.version && a.open === b.open && a.begin === b.begin,
);

function What({ row }) {
  const { kind, event } = row;
  if (kind === "prompt") {
    const goal = row.sequence === 1;
    return [
      jsx("p", { key: "a" }, jsx("b", {}, event.actor), goal && jsx("span", { className: "meta" }, " started this session")),
      jsx("p", { key: "t", className: goal ? "ask text" : "said" }, row.text),
    ];
  }
  if (kind === "decision") {
    const [head, ...rest] = row.text.split("\n");
    return [
      jsx("p", { key: "h" }, jsx("b", {}, head), " ", row.label !== "" && jsx("span", { className: "meta" }, row.label ?? "decision")),
      rest.length > 0 && jsx("p", { key: "r", className: "soft said" }, rest.join("\n").trim()),
    ];
  }
  if (kind === "message") {
    return jsx("p", { className: "said" }, row.text);
  }
  return jsx(Call, { row });
}

function Call({ row }) {
  const long = row.result?.text.length > SHORT || row.result?.text.includes("\n");
  const inside = row.patch ? jsx(Patch, { patch: row.patch }) : row.out || long ? jsx(Out, { row }) : null;
  const what = row.path ? jsx("code", { key: "c", className: "cut" }, jsx(Path, { path: row.path }))
    : row.name ? jsx("code", { key: "c", className: "cut" }, row.text) : jsx("span", { key: "c", className: "cut" }, row.text);
  const line = [row.name && jsx("b", { key: "b" }, row.name), what, jsx("span", { key: "r", className: "result" }, jsx(Result, { row }))];
  if (!inside) return jsx("div", { className: "call" }, line);
  const start = row.kind === "error" || Boolean(row.patch);
  return jsx(Unfold, { start, line }, inside);
}

// Opens by itself for errors and edits; once a reader has turned it, it stays as they left it.
function Unfold({ start, line, children }) {
  const [open, setOpen] = useState(start);
  const turned = useRef(false);
  useEffect(() => {
    if (start && !turned.current) setOpen(true);
  }, [start]);
  const onClick = (click) => {
    click.preventDefault();
    turned.current = true;
    setOpen(!open);
  };
  return jsx("details", { open }, jsx("summary", { className: "call", onClick }, line), open && children);
}

// One line of what came out, how it ended and how long it took: "1 failed · 6.1 s".
function Result({ row }) {
  const { body } = row.event;
  if (row.path) {
    const lines = [body?.additions > 0 && `+${body.additions}`, body?.deletions > 0 && `−${body.deletions}`].filter(Boolean);
    return body?.binary ? "binary" : lines.join(" ");
  }
  if (!row.result) return null;
  const { ok, text, took } = row.result;
  const failed = ok === false;
  const said = text && text.length <= SHORT && !text.includes("\n") ? text : failed ? "failed" : "";
  const time = took >= 100 ? duration(took) : "";
  return [said && jsx("span", { key: "s", className: failed ? "rust" : row.kind === "pass" ? "moss" : undefined }, said), said && time && " · ", time];
}

function Out({ row }) {
  const result = row.result?.text.length > SHORT || row.result?.text.includes("\n") ? row.result.text : "";
  const text = clean((row.out ?? "") + (row.out && result ? "\n" : "") + result);
  const lines = text.split("\n");
  const cut = lines.length - OUT_LINES;
  return jsx("pre", { className: "out", tabIndex: 0 }, cut > 0 ? `… ${cut} lines above\n${lines.slice(-OUT_LINES).join("\n")}` : text);
}

function Patch({ patch }) {
  const lines = [];
  let at = 0;
  for (const line of patch.replace(/\n$/, "").split("\n")) {
    const hunk = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(line);
    if (hunk) at = Number(hunk[1]);
    else if (at && line[0] === "+") lines.push([at++, "add", line.slice(1)]);
    else if (at && line[0] === "-") lines.push(["", "del", line.slice(1)]);
    else if (at && line[0] === " ") lines.push([at++, "", line.slice(1)]);
  }
  const more = lines.length - DIFF_LINES;
  return jsx("div", { className: "out diff" }, [
    jsx("table", { key: "t", className: "code diff" },
      jsx("colgroup", {}, jsx("col", { className: "n" }), jsx("col", {})),
      jsx("tbody", {}, lines.slice(0, DIFF_LINES).map(([number, tone, text], index) =>
        jsx("tr", { key: index }, jsx("td", { className: `ln ${tone}` }, number), jsx("td", { className: `src ${tone}` }, text))))),
    more > 0 && jsx("p", { key: "m", className: "meta inner" }, `${more} more lines under Changes`),
  ]);
}

function clock(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const tail = `${String(minutes).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
  return hours ? `${hours}:${tail}` : tail;
}

function duration(milliseconds) {
  if (!(milliseconds >= 0)) return "";
  const seconds = milliseconds / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${String(Math.round(seconds % 60)).padStart(2, "0")} s`;
}

// Follow: the end stays in view until the reader scrolls up; then new events are only counted.
// On a phone the window scrolls, and it is never moved under the reader: there they are counted too.
function useFollow(list, last, running) {
  const following = useRef(running && !globalThis.location?.hash);
  const seen = useRef(0);
  const before = useRef(0);
  const [fresh, setFresh] = useState(0);

  useEffect(() => {
    const onScroll = () => {
      const box = pane(list.current);
      const [place, away] = box ? [box.scrollTop, box.scrollHeight - box.scrollTop - box.clientHeight] : [scrollY, below(list.current)];
      const up = place < before.current - 2;
      before.current = place;
      if (away < NEAR) {
        following.current = Boolean(box);
        setFresh(0);
      } else if (up) following.current = false;
    };
    addEventListener("scroll", onScroll, { capture: true, passive: true });
    return () => removeEventListener("scroll", onScroll, { capture: true });
  }, []);

  const toEnd = useCallback(() => {
    setFresh(0);
    const box = pane(list.current);
    if (!box) return list.current?.lastElementChild?.scrollIntoView({ block: "center", behavior: "instant" });
    following.current = true;
    box.scrollTo({ top: box.scrollHeight, behavior: "instant" });
    before.current = box.scrollTop;
  }, []);

  useEffect(() => {
    // Rows get their true height when they come into view, and details unfold.
    const grown = new ResizeObserver(() => following.current && seen.current && pane(list.current) && toEnd());
    grown.observe(list.current);
    return () => grown.disconnect();
  }, [toEnd]);

  useLayoutEffect(() => {
    if (!last) return;
    const arrived = seen.current ? last - seen.current : 0;
    const arriving = seen.current === 0;
    const box = pane(list.current);
    seen.current = last;
    if (arriving && location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: "center" });
    else if (following.current && box) toEnd();
    else if (arrived > 0 && (box || below(list.current) > NEAR)) setFresh((count) => count + arrived);
  }, [last]);

  return { fresh, toEnd };
}

// Tells the page of events that move what stands outside the timeline: at once, then at rest.
function useNews(events, onNews) {
  const told = useRef(0);
  const timer = useRef(null);
  const rest = useRef(0);
  const newest = events.findLast((event) => NEWS.has(event.kind))?.sequence ?? 0;
  useEffect(() => {
    if (!onNews || newest <= told.current || timer.current) return;
    timer.current = setTimeout(() => {
      timer.current = null;
      rest.current = performance.now();
      told.current = newest;
      onNews(newest);
    }, Math.max(0, NEWS_REST - (performance.now() - rest.current)));
  });
  useEffect(() => () => clearTimeout(timer.current), []);
}

/** The pane that scrolls the timeline; null on a phone, where the window does. */
function pane(node) {
  const found = node?.closest(".pane");
  return found && getComputedStyle(found).overflowY === "auto" ? found : null;
}

/** How far the end of the timeline is below the window. */
const below = (node) => (node ? node.getBoundingClientRect().bottom - innerHeight : 0);

function useJumps(list, toEnd) {
  const jump = (kind, step) => () => {
    const rows = [...list.current.querySelectorAll(`[data-kind="${kind}"]`)];
    const picked = list.current.querySelector(".picked");
    const [from, after] = picked
      ? [picked, (row) => picked.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING]
      : [null, (row) => row.getBoundingClientRect().top > innerHeight / 2];
    const next = step > 0 ? rows.find(after) : rows.findLast((row) => row !== from && !after(row));
    if (!next) return;
    picked?.classList.remove("picked");
    next.classList.add("picked");
    next.scrollIntoView({ block: "center", behavior: "instant" });
  };
  useKeys({ e: jump("error", 1), E: jump("error", -1), p: jump("prompt", 1), P: jump("prompt", -1), End: toEnd });
}
