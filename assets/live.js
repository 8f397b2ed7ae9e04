// One stream for all tabs. A browser opens about six connections to one host, so tabs share a
// SharedWorker that reads every watched session over a single EventSource: the session's own
// stream while only one is watched, the combined one as soon as there are several.
//
// Sessions go by their whole id, as events name them.
//
// Tab -> worker  {watch: session, after: sequence} | {leave: session} | {tab: name of its lock}
// Worker -> tab  {session, event} | {session, state: "open" | "lost" | "gone"}
//
// A tab that dies says nothing; it holds a web lock, and the worker gets the lock when it is gone.
const KEPT = 4000; // events kept per session, so that a second tab starts without a new stream
const PATIENCE = [500, 1000, 2000, 5000, 10000];

const watched = new Map(); // session -> { after, from, events, ports }
let source = null;
let broken = 0;
let retry = null;
let state = "lost";

onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data.tab) navigator.locks?.request(data.tab, () => forget(port));
    if (data.watch) watch(port, data.watch, data.after);
    if (data.leave) leave(port, data.leave);
  };
  port.start();
};

function watch(port, session, after) {
  const known = watched.get(session);
  if (known && after >= known.from) {
    known.ports.add(port);
    port.postMessage({ session, state });
    for (const event of known.events) if (event.sequence > after) port.postMessage({ session, event });
    return;
  }
  // An earlier start than we hold: read from there again; every tab drops what it has seen.
  const ports = known ? known.ports : new Set();
  watched.set(session, { after, from: after, events: [], ports: ports.add(port) });
  open();
}

function leave(port, session) {
  const one = watched.get(session);
  if (!one) return;
  one.ports.delete(port);
  if (one.ports.size) return;
  watched.delete(session);
  open();
}

function forget(port) {
  for (const session of [...watched.keys()]) if (watched.get(session).ports.has(port)) leave(port, session);
}

function open() {
  clearTimeout(retry);
  source?.close();
  source = null;
  if (!watched.size) return;
  source = new EventSource(address());
  source.onopen = () => {
    broken = 0;
    tell("open");
  };
  source.onmessage = ({ data }) => take(JSON.parse(data));
  source.addEventListener("gone", () => {
    source.close();
    dropGone().then(open);
  });
  source.onerror = () => {
    tell("lost");
    if (source.readyState !== EventSource.CLOSED) return; // it comes back by itself with Last-Event-ID
    retry = setTimeout(() => dropGone().then(open), PATIENCE[Math.min(broken++, PATIENCE.length - 1)] * (0.7 + 0.6 * Math.random()));
  };
}

// A stream over several sessions ends when one of them may no longer be seen: leave that one out.
async function dropGone() {
  await Promise.all(
    [...watched].map(async ([session, { ports }]) => {
      const answer = await fetch(`/api/v1/sessions/${encodeURIComponent(session)}`).catch(() => null);
      if (answer?.status !== 404) return;
      for (const port of ports) port.postMessage({ session, state: "gone" });
      watched.delete(session);
    }),
  );
}

function address() {
  const all = [...watched];
  if (all.length === 1) {
    const [session, { after }] = all[0];
    return `/api/v1/sessions/${encodeURIComponent(session)}/events/stream?after=${after}`;
  }
  const names = all.map(([session]) => `session=${encodeURIComponent(session)}`);
  const reached = Object.fromEntries(all.map(([session, { after }]) => [session, after]));
  const cursor = btoa(JSON.stringify(reached)).replaceAll("+", "-").replaceAll("/", "_"); // backend/sessions/stream.py
  return `/api/v1/events/stream?${names.join("&")}&after=${encodeURIComponent(cursor)}`;
}

function take(event) {
  const one = watched.get(event.session);
  if (!one || event.sequence <= one.after) return;
  one.after = event.sequence;
  one.events.push(event);
  if (one.events.length > KEPT) one.from = one.events.shift().sequence;
  for (const port of one.ports) port.postMessage({ session: event.session, event });
}

function tell(next) {
  state = next;
  for (const [session, { ports }] of watched) for (const port of ports) port.postMessage({ session, state });
}
