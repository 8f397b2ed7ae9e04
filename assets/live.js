// One stream for all tabs. A browser opens about six connections to one host, so tabs share a
// SharedWorker that reads every watched session over a single EventSource: the session's own
// stream while only one is watched, the combined one as soon as there are several.
//
// Tab -> worker  {watch: session, after: sequence} | {leave: session} | {tab: name of its lock}
// Worker -> tab  {session, event} | {session, state: "open" | "lost"}
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
  source.onerror = () => {
    tell("lost");
    if (source.readyState !== EventSource.CLOSED) return; // it comes back by itself with Last-Event-ID
    retry = setTimeout(open, PATIENCE[Math.min(broken++, PATIENCE.length - 1)] * (0.7 + 0.6 * Math.random()));
  };
}

function address() {
  const all = [...watched];
  if (all.length === 1) {
    const [session, { after }] = all[0];
    return `/api/v1/sessions/${encodeURIComponent(session)}/events/stream?after=${after}`;
  }
  const query = all.map(([session, { after }]) => `session=${encodeURIComponent(session)}&after=${after}`);
  return `/api/v1/events/stream?${query.join("&")}`;
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
