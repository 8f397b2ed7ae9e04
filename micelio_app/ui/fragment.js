// HTML from one of our own routes, put into the page as it is: the server made and cleaned it.
import { jsx } from "@emotion/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { followLines } from "./lines.js";

const PATIENCE = 300; // look.md 9: under this nothing is said about loading
const GATHER = 150; // several changes at once are one fetch

export function HtmlFragment({ src, live, label, className }) {
  const holder = useRef(null);
  const leave = useRef(() => {});
  const [phase, setPhase] = useState("quiet");
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((n) => n + 1), []);
  const navigate = useNavigate();

  useEffect(() => {
    if (!src) return undefined;
    const abort = new AbortController();
    const patience = setTimeout(() => setPhase((p) => (p === "shown" ? p : "waiting")), PATIENCE);
    load(src, abort.signal)
      .then((html) => {
        if (!holder.current) return;
        holder.current.innerHTML = html;
        holder.current.dataset.src = src;
        makeCopyable(holder.current);
        holder.current.hidden = false; // React shows it a moment later; what is hidden cannot be scrolled to
        setPhase("shown");
        goToTarget(holder.current);
        leave.current();
        // Lines of a file that is shown as what it means are in its other view.
        const other = /^#L\d/.test(location.hash) && !holder.current.querySelector("table.code") && document.querySelector("a[data-lines]");
        if (other) navigate(other.getAttribute("href") + location.hash, { replace: true });
        leave.current = followLines(holder.current);
      })
      .catch((problem) => {
        if (!abort.signal.aborted) setPhase(problem.status === 404 ? "missing" : "failed");
      })
      .finally(() => clearTimeout(patience));
    return () => {
      abort.abort();
      clearTimeout(patience);
    };
  }, [src, turn]);

  useEffect(() => {
    if (holder.current && holder.current.dataset.src !== src) {
      holder.current.replaceChildren();
      setPhase("quiet");
    }
  }, [src]);

  useEffect(() => {
    const kinds = new Set((live || "").split(",").filter(Boolean));
    if (!kinds.size) return undefined;
    let pending = null;
    const onEvent = ({ detail }) => {
      if (!kinds.has(detail.kind)) return;
      clearTimeout(pending);
      pending = setTimeout(again, GATHER);
    };
    window.addEventListener("micelio:event", onEvent);
    return () => {
      clearTimeout(pending);
      window.removeEventListener("micelio:event", onEvent);
    };
  }, [live, again]);

  useEffect(() => () => leave.current(), []);

  const follow = (click) => {
    const link = click.target.closest("a[href]");
    const plain = click.button === 0 && !(click.metaKey || click.ctrlKey || click.shiftKey || click.altKey);
    if (!link || !plain || link.target || link.hasAttribute("download") || link.dataset.load !== undefined) return;
    const there = new URL(link.href, location.href);
    const samePage = there.pathname === location.pathname && there.hash;
    if (there.origin !== location.origin || samePage || there.pathname.startsWith("/api/")) return;
    click.preventDefault();
    navigate(there.pathname + there.search + there.hash);
  };

  return jsx("div", { className: `fragment ${className ?? ""}`.trim(), "aria-busy": Boolean(src) && (phase === "quiet" || phase === "waiting") }, [
    jsx("div", { key: "held", ref: holder, onClick: follow, hidden: phase !== "shown" }),
    phase === "waiting" && jsx(Bars, { key: "bars", label }),
    (phase === "failed" || phase === "missing") && jsx(Problem, { key: "problem", phase, again }),
  ]);
}

async function load(src, signal) {
  const answer = await fetch(src, { signal, credentials: "same-origin", headers: { accept: "text/html" } });
  if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status });
  return answer.text();
}

// Code that somebody wrote into prose is there to be used; `assets/shell.js` copies it.
function makeCopyable(within) {
  for (const code of within.querySelectorAll(".prose pre > code:only-child")) {
    const box = document.createElement("div");
    const button = document.createElement("button");
    box.className = "fence";
    Object.assign(button, { type: "button", className: "btn small", textContent: "Copy" });
    button.setAttribute("aria-label", "Copy this code");
    button.dataset.copy = "true";
    code.parentElement.replaceWith(box);
    box.append(code.parentElement, button);
  }
}

function goToTarget(within) {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (!target || !within.contains(target)) return;
  target.classList.add("picked");
  target.scrollIntoView({ block: "center", behavior: "instant" });
}

function Bars({ label }) {
  return jsx(
    "div",
    { className: "stack tight", role: "status", "aria-label": label ? `Loading ${label}` : "Loading" },
    [72, 94, 41].map((width) => jsx("i", { key: width, className: "wait", style: { "--w": `${width}%` } })),
  );
}

function Problem({ phase, again }) {
  if (phase === "missing") {
    return jsx("p", { className: "notice", role: "status" }, jsx("b", {}, "Nothing here."), jsx("span", {}, "It may have moved."));
  }
  return jsx("p", { className: "notice rust", role: "alert" }, [
    jsx("b", { key: "b" }, "This part did not load."),
    jsx("span", { key: "s" }, "The rest of the page is as it was."),
    jsx("button", { key: "a", type: "button", className: "btn small end", onClick: again }, "Try again"),
  ]);
}
