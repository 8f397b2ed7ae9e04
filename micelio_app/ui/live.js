// A session's events on this page: one subscription per session, however many parts show it.
// Events come once and in order: what was seen is known by its sequence.
import { useEffect, useSyncExternalStore } from "react";

const FLUSH = 60; // ms: the first of a burst is painted at once, the rest together
const EMPTY = { events: [], state: "waiting", turn: 0 };
const feeds = new Map();
let worker = null;

class Feed {
  constructor(session, after) {
    this.session = session;
    this.after = after;
    this.first = after + 1;
    this.events = [];
    this.snapshot = EMPTY;
    this.state = "waiting";
    this.listeners = new Set();
    this.flush = null;
    this.flushed = 0;
    this.stop = null;
  }

  subscribe = (listener) => {
    this.listeners.add(listener);
    if (!this.stop) this.stop = connect(this);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size) return;
      this.stop();
      this.stop = null;
      feeds.delete(this.session);
    };
  };

  take(event) {
    if (event.sequence <= this.after) return;
    this.after = event.sequence;
    this.events.push(event);
    window.dispatchEvent(new CustomEvent("micelio:event", { detail: event }));
    this.soon();
  }

  earlier(events) {
    const before = events.filter((event) => event.sequence < this.first);
    if (!before.length) return;
    this.first = before[0].sequence;
    this.events.unshift(...before);
    this.soon();
  }

  turn(state) {
    this.state = state;
    this.soon();
  }

  soon() {
    this.flush ??= setTimeout(() => {
      this.flush = null;
      this.flushed = performance.now();
      this.snapshot = { events: this.events.slice(), state: this.state, first: this.first };
      this.listeners.forEach((each) => each());
    }, Math.max(0, FLUSH - (performance.now() - this.flushed)));
  }
}

function connect(feed) {
  const port = sharedPort();
  return port ? connectShared(feed, port) : connectAlone(feed);
}

function sharedPort() {
  if (worker !== null || typeof SharedWorker === "undefined") return worker;
  try {
    worker = new SharedWorker("/live.js", { name: "micelio-live" }).port;
  } catch {
    return null; // a browser that forbids workers still has the plain stream
  }
  const tab = `micelio-tab-${crypto.randomUUID?.() ?? Math.random()}`;
  worker.addEventListener("message", ({ data }) => {
    const feed = feeds.get(data.session);
    if (data.event) feed?.take(data.event);
    else feed?.turn(data.state);
  });
  worker.start();
  // Told only once the lock is held: the worker takes the lock for a sign that this tab is gone.
  navigator.locks?.request(tab, () => {
    worker.postMessage({ tab });
    return new Promise(() => {});
  });
  return worker;
}

function connectShared(feed, port) {
  const watch = () => port.postMessage({ watch: feed.session, after: feed.after });
  const leave = () => port.postMessage({ leave: feed.session });
  const back = ({ persisted }) => persisted && watch(); // shown again from the back-forward cache
  watch();
  addEventListener("pageshow", back);
  addEventListener("pagehide", leave);
  return () => {
    removeEventListener("pageshow", back);
    removeEventListener("pagehide", leave);
    leave();
  };
}

function connectAlone(feed) {
  let source = null;
  let retry = null;
  const open = () => {
    source = new EventSource(`/api/v1/sessions/${encodeURIComponent(feed.session)}/events/stream?after=${feed.after}`);
    source.onopen = () => feed.turn("open");
    source.onmessage = ({ data }) => feed.take(JSON.parse(data));
    source.addEventListener("gone", () => {
      source.close();
      feed.turn("gone");
    });
    source.onerror = () => {
      feed.turn("lost");
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, 2000);
    };
  };
  open();
  return () => {
    clearTimeout(retry);
    source.close();
  };
}

function feedOf(session, after) {
  if (!feeds.has(session)) feeds.set(session, new Feed(session, after));
  return feeds.get(session);
}

const none = { subscribe: () => () => {}, snapshot: EMPTY };

/** The events of a session from `after` on: {events, state: waiting|open|lost|gone, first}. */
export function useEvents(session, after = 0) {
  const ready = session && typeof window !== "undefined";
  const feed = ready ? feedOf(session, after) : none;
  const shown = useSyncExternalStore(feed.subscribe, () => feed.snapshot, () => EMPTY);
  return shown;
}

/** Reads the page of events before what is shown and puts it in front. */
export async function loadEarlier(session, count) {
  const feed = feeds.get(session);
  if (!feed || feed.first <= 1) return;
  const after = Math.max(0, feed.first - 1 - count);
  const address = `/api/v1/sessions/${encodeURIComponent(session)}/events?after=${after}&limit=${feed.first - 1 - after}`;
  const answer = await fetch(address, { credentials: "same-origin" });
  if (answer.ok) feed.earlier((await answer.json()).items);
}

/** Calls back on a plain key press that is not meant for a field. */
export function useKeys(keys) {
  useEffect(() => {
    const press = (event) => {
      const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
      if (typing || event.metaKey || event.ctrlKey || event.altKey || !keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}
