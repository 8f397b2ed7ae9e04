// An import while it runs: its five stages on a thread, told by the import's own event stream.
import { jsx } from "@emotion/react";
import { useEffect, useState } from "react";

const NAMES = {
  metadata: "Metadata",
  git_data_clone: "Git data clone",
  validation: "Validation",
  landing: "Landing",
  finalization: "Finalization",
};
const WORDS = { waiting: "waiting", running: "at it", done: "done", failed: "failed", cancelled: "cancelled" };
const KINDS = { running: "tool", done: "pass", failed: "error" };

export function ImportStages({ importId, onEnd }) {
  const [told, setTold] = useState(null);
  const [state, setState] = useState("waiting");

  useEffect(() => {
    if (!importId) return undefined;
    const source = new EventSource(`/api/v1/imports/${encodeURIComponent(importId)}/events/stream`);
    source.onopen = () => setState("open");
    source.onmessage = ({ data }) => setTold(JSON.parse(data));
    source.onerror = () => setState("lost");
    for (const end of ["end", "gone"]) {
      source.addEventListener(end, () => {
        source.close();
        setState("over");
        onEnd?.(end);
      });
    }
    return () => source.close();
  }, [importId]);

  if (!told) return null;
  return jsx(
    "div",
    { className: "stack tight", "aria-live": "polite" },
    jsx(
      "ol",
      { className: "timeline stages", "data-import": told.state, key: "stages" },
      told.stages.map((stage) => jsx(Stage, { stage, over: state === "over", key: stage.stage })),
    ),
    state === "lost" && jsx("p", { className: "hint", key: "lost" }, "The connection is gone; it is tried again."),
  );
}

function Stage({ stage, over }) {
  const missed = over && stage.state === "waiting";
  const counted = stage.state === "running" && stage.total > 0;
  const percent = counted ? `, ${Math.floor((100 * stage.done) / stage.total)} %` : "";
  const word = (missed ? "not reached" : WORDS[stage.state] ?? stage.state) + percent;
  const kind = missed ? "quiet" : KINDS[stage.state] ?? "";
  const doing = stage.state === "running" && stage.doing;
  return jsx(
    "li",
    { className: "event", "data-kind": kind, "data-stage": stage.stage, "data-state": stage.state },
    jsx("i", { className: "node", key: "node" }),
    jsx(
      "div",
      { className: "what", key: "what" },
      jsx("b", { key: "name" }, NAMES[stage.stage] ?? stage.stage),
      " ",
      jsx("span", { className: "meta", key: "state" }, word),
      doing && jsx("p", { className: "soft", key: "doing" }, doing, counted && ` ${numbers(stage)}`),
      counted && jsx("i", { className: "meter", style: { "--at": stage.done / stage.total }, key: "bar" }),
    ),
  );
}

function numbers({ done, total }) {
  return `${done.toLocaleString("en")} of ${total.toLocaleString("en")}`;
}
