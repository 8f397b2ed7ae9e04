// What stands beside the timeline: plan, files, terminal, and a word when the stream is lost.
import { jsx } from "@emotion/react";
import { useEffect, useMemo, useRef } from "react";
import { useEvents } from "./live.js";

const STEP = { pending: "todo", active: "doing", running: "doing", failed: "failed", done: "done", dropped: "dropped" };
const LINES = 400; // of terminal output kept in the page

export function PlanPane({ session, after }) {
  const { events } = useEvents(session, after);
  const steps = useMemo(() => events.findLast((event) => event.kind === "plan")?.body.steps, [events]);
  if (!Array.isArray(steps) || !steps.length) return null;
  const done = steps.filter((step) => step.state === "done").length;
  return jsx("section", { className: "pane plan-pane", "aria-labelledby": "plan" }, [
    jsx("header", { key: "h", className: "head" }, [
      jsx("h2", { key: "t", id: "plan" }, "Plan"),
      jsx("span", { key: "c", className: "count" }, `${done} of ${steps.length}`),
      jsx("span", { key: "m", className: "end steps-end" },
        jsx("i", { className: "meter steps", style: { "--at": done / steps.length, "--of": steps.length } })),
    ]),
    jsx("ol", { key: "l", className: "plan inner" }, steps.map((step, index) =>
      jsx("li", { key: index, "data-state": STEP[step.state] ?? step.state }, jsx("i", {}), jsx("span", {}, step.text)))),
  ]);
}

/** The files as they are now against the base: the last word of each path, as vcs/session.py folds it. */
export function foldFiles(events) {
  const files = new Map();
  for (const { kind, body, sequence } of events) {
    if (kind !== "diff" || !body?.path) continue;
    if (body.reverted) {
      files.delete(body.path);
      continue;
    }
    const before = files.get(body.path);
    if (body.status === "renamed" && body.previous) files.delete(body.previous);
    if (before?.status === "added" && body.status === "deleted") {
      files.delete(body.path);
      continue;
    }
    const status = before?.status === "added" && body.status === "modified" ? "added" : body.status;
    files.set(body.path, { path: body.path, status, plus: body.additions ?? 0, minus: body.deletions ?? 0, sequence });
  }
  return [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function Path({ path }) {
  const cut = path.lastIndexOf("/") + 1;
  return jsx("span", { className: "path" }, jsx("span", { className: "dir" }, path.slice(0, cut)), jsx("span", {}, path.slice(cut)));
}

export function Stat({ plus, minus, most, loose }) {
  return jsx("span", { className: loose ? "stat loose" : "stat" }, [
    jsx("b", { key: "p", className: "plus", "data-n": plus }, `+${plus}`),
    jsx("b", { key: "m", className: "minus", "data-n": minus }, `−${minus}`),
    most && jsx("i", { key: "i", style: { "--a": plus / most, "--d": minus / most } }),
  ]);
}

export function TerminalPane({ session, after }) {
  const { events } = useEvents(session, after);
  const screen = useRef(null);
  const { name, lines } = useMemo(() => printed(events), [events]);
  const follow = useRef(true);
  useEffect(() => {
    const node = screen.current;
    if (node && follow.current) node.scrollTop = node.scrollHeight;
  }, [lines]);
  if (!lines.length) return null;
  const onScroll = ({ target }) => {
    follow.current = target.scrollHeight - target.scrollTop - target.clientHeight < 24;
  };
  return jsx("section", { className: "pane term", "aria-label": "Terminal" }, [
    jsx("header", { key: "h" }, jsx("span", {}, "Terminal"), jsx("span", { className: "cut" }, name)),
    jsx("pre", { key: "p", ref: screen, tabIndex: 0, onScroll }, lines.map((line, index) =>
      jsx("span", { key: index, className: line.tone }, line.text + "\n"))),
  ]);
}

function printed(events) {
  const lines = [];
  let name = "";
  for (const { kind, body } of events) {
    if (kind === "tool_call" && command(body)) {
      name = command(body);
      lines.push({ text: `$ ${name}`, tone: "q" });
    }
    if (kind === "output" && typeof body.text === "string") {
      for (const text of clean(body.text).split("\n")) lines.push({ text, tone: body.stream === "stderr" ? "y" : undefined });
    }
  }
  return { name, lines: lines.slice(-LINES) };
}

/** What a tool call ran, if it is the kind of tool that runs things. */
export function command(body) {
  const said = body?.command ?? body?.input?.command ?? body?.arguments?.command;
  return typeof said === "string" ? said : "";
}

/** Text from a terminal without its escape sequences, one trailing newline dropped. */
export function clean(text) {
  return text.replace(/\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])/g, "").replace(/\r?\n$/, "");
}

/** "step 3 of 5", from the newest plan. */
export function StepWord({ session, after }) {
  const { events } = useEvents(session, after);
  const steps = events.findLast((event) => event.kind === "plan")?.body?.steps;
  if (!Array.isArray(steps) || !steps.length) return null;
  const now = steps.findIndex((step) => STEP[step.state] === "doing");
  return now < 0 ? null : jsx("span", {}, `step ${now + 1} of ${steps.length}`);
}

/** What the events add up to, as terms of a `dl`: how many, the last checks, tokens and cost. */
export function SessionFacts({ session, after }) {
  const { events, state } = useEvents(session, after);
  const { checks, input, output, cost } = useMemo(() => added(events), [events]);
  const failed = [...checks.values()].filter((ok) => !ok).length;
  const check = failed ? `${failed} of ${checks.size} failed` : `${checks.size} passed`;
  return [
    checks.size > 0 && jsx(Fact, { key: "k", name: "Checks" },
      jsx("span", { className: "state" }, jsx("i", { className: "dot", "data-state": failed ? "failed" : "passed" }), check)),
    input + output > 0 && jsx(Fact, { key: "t", name: "Tokens" }, thin(input + output), " ",
      jsx("span", { className: "soft" }, `in ${thin(input)}, out ${thin(output)}`)),
    cost > 0 && jsx(Fact, { key: "c", name: "Cost" }, `$${(cost / 1e6).toFixed(2)}`),
    state !== "waiting" && jsx(Fact, { key: "e", name: "Events" }, events.length),
  ];
}

function Fact({ name, children }) {
  return jsx("div", {}, jsx("dt", {}, name), jsx("dd", {}, children));
}

// As vcs/session.py folds them: the last result of each check counts, usage adds up.
function added(events) {
  const checks = new Map();
  let [input, output, cost] = [0, 0, 0];
  const ran = new Map();
  for (const { kind, body, id, client_id, parent } of events) {
    if (kind === "tool_call" && command(body)) for (const name of [id, client_id]) if (name) ran.set(name, command(body));
    if (kind === "tool_result" && ran.has(parent) && typeof body?.ok === "boolean") checks.set(ran.get(parent), body.ok);
    if (kind === "usage") [input, output, cost] = [input + (body?.input_tokens ?? 0), output + (body?.output_tokens ?? 0), cost + (body?.cost_micros ?? 0)];
  }
  return { checks, input, output, cost };
}

const thin = (count) => (count < 1000 ? `${count}` : count < 1e6 ? `${Math.round(count / 1000)} k` : `${(count / 1e6).toFixed(1)} M`);

export function LiveState({ session, after }) {
  const { state } = useEvents(session, after);
  if (state !== "lost" && state !== "gone") return null;
  const [what, then] = state === "lost"
    ? ["Connection lost.", "Showing what was here. Trying again."]
    : ["This session is no longer shown to you.", "What stands here is what you had seen."];
  return jsx("p", { className: "notice", role: "status" }, jsx("b", {}, what), jsx("span", {}, then));
}
