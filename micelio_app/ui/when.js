// Times as people read them. One timer serves every time on the page; a time that cannot
// change any more (a date) is not touched again.
import { jsx } from "@emotion/react";
import { useEffect, useState } from "react";

const STEPS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [2592000, 86400, "day"]];
const listeners = new Set();
let timer = null;

function subscribe(tell) {
  listeners.add(tell);
  timer ??= setInterval(() => listeners.forEach((each) => each(Date.now())), 1000);
  return () => {
    listeners.delete(tell);
    if (listeners.size) return;
    clearInterval(timer);
    timer = null;
  };
}

function since(then, now) {
  const seconds = Math.max(0, Math.floor((now - then) / 1000));
  for (const [limit, unit, name] of STEPS) {
    if (seconds < limit) {
      const count = Math.floor(seconds / unit);
      return `${count} ${name}${name === "day" && count > 1 ? "s" : ""}`;
    }
  }
  return null;
}

function elapsed(then, now) {
  const seconds = Math.max(0, Math.floor((now - then) / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const tail = String(seconds % 60).padStart(2, "0");
  if (hours) return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  return minutes ? `${minutes} min ${tail} s` : `${seconds} s`;
}

export function When({ at, ago, clock, until }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    setNow(Date.now());
    return subscribe(setNow);
  }, [at]);
  const then = Date.parse(at);
  if (!at || Number.isNaN(then)) return null;
  const day = new Date(then);
  const short = since(then, now);
  const running = clock && !until;
  const text = clock
    ? elapsed(then, until ? Date.parse(until) : now)
    : short === null
      ? day.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })
      : short + (ago ? " ago" : "");
  const utc = day.toISOString().slice(0, 19).replace("T", " ");
  const title = `${utc} UTC, here ${day.toLocaleString("en-GB")}`;
  return jsx("time", { dateTime: at, title, role: running ? "timer" : undefined, suppressHydrationWarning: true }, text);
}
