// The palette: jump to a project, a person, a session or a file, or do what this page can do.
//
// A combobox over a listbox (WAI-ARIA 1.2): the cursor stays in the field, what is chosen is told by
// aria-activedescendant. The browser's own modal dialog keeps the focus inside and gives it back.
// Actions are the links and buttons of #actions, which the page wrote; files come from paths.js;
// the rest from the forge. What was typed later always wins over what was answered late.
import { match } from "/match.js";

const PATIENCE = 60; // milliseconds of no key before the forge is asked
const MOST_ACTIONS = 8;
const KINDS = { project: "Projects", session: "Sessions", person: "People", organization: "Organizations" };
const STATES = { active: "running", pending_review: "waiting", landed: "landed", rejected: "failed", abandoned: "abandoned" };

const dialog = document.createElement("dialog");
dialog.className = "sheet palette";
dialog.innerHTML = `
  <header>
    <input type="text" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-autocomplete="list"
      autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="200">
    <button type="button" class="btn small quiet" data-close>Close</button>
  </header>
  <div id="palette-list" role="listbox" aria-label="Results"></div>
  <p class="hint" aria-hidden="true"></p>
  <p class="hush" role="status"></p>
  <footer><span><kbd>↑</kbd> <kbd>↓</kbd> choose</span><span><kbd>Enter</kbd> open</span><span><kbd>&gt;</kbd> actions</span><span><kbd>@</kbd> people</span><span class="landing-key"><kbd>#</kbd> landing</span></footer>`;
document.body.append(dialog);
const [field, list, told, status] = ["input", "[role=listbox]", ".hint", "[role=status]"].map((which) => dialog.querySelector(which));

let place = null; // {address, ref} of the project around this page
let filesOnly = false;
let turn = 0; // counts what was typed
let waiting = new Set(); // who has not answered this turn
let problem = "";
let groups = {}; // by who answered: a list of [name, items]
let items = []; // what is shown, in order: {title, address | act, …, node}
let chosen = 0;
let moved = false; // somebody chose by hand, so that what comes later does not choose for them
let entered = null; // Enter came before the answers: the event
let timer = null;
let abort = new AbortController();
let worker = null;

// `begun` was typed before this script was there.
export function open(mode, begun = "") {
  if (dialog.open) return dialog.close();
  place = placeOf(document.getElementById("place"));
  filesOnly = mode === "files" && place !== null;
  const asks = filesOnly ? `Find a file in ${place.address}` : "Search or jump to…";
  dialog.setAttribute("aria-label", filesOnly ? asks : "Search or jump");
  field.setAttribute("aria-label", filesOnly ? asks : "Search or jump");
  field.placeholder = asks;
  dialog.querySelector("footer").hidden = filesOnly;
  dialog.querySelector(".landing-key").hidden = place === null;
  field.value = begun;
  groups = {};
  dialog.showModal();
  field.focus();
  return typed();
}

function placeOf(node) {
  if (!node) return null;
  const [, , , kind, ref] = location.pathname.split("/");
  const at = ["tree", "blob", "commit"].includes(kind) && ref ? decodeURIComponent(ref) : "HEAD";
  return { address: node.dataset.project, ref: at };
}

field.addEventListener("input", typed);
dialog.addEventListener("close", () => {
  turn++;
  clearTimeout(timer);
  abort.abort();
});

dialog.addEventListener("keydown", (event) => {
  if (event.isComposing || event.target !== field) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && items.length) {
    moved = true;
    choose((chosen + step + items.length) % items.length);
  } else if (event.key === "Enter") enter(event);
  else return;
  event.preventDefault();
});

list.addEventListener("click", (event) => {
  const node = event.target.closest("[role=option]");
  if (node) follow(items[Number(node.dataset.n)], event);
});
list.addEventListener("pointermove", (event) => {
  const node = event.target.closest("[role=option]");
  if (!node || Number(node.dataset.n) === chosen) return;
  moved = true;
  choose(Number(node.dataset.n));
});

// Something was typed: what is at hand is shown at once, the rest when it comes.
function typed() {
  const now = ++turn;
  const text = field.value.trim();
  [moved, entered, problem, chosen] = [false, null, "", 0];
  waiting = new Set();
  clearTimeout(timer);
  abort.abort();
  abort = new AbortController();
  const only = filesOnly ? "files" : { ">": "actions", "@": "people", "#": "landing" }[text[0]];
  const query = only && !filesOnly ? text.slice(1).trim() : text;
  groups.actions = !only || only === "actions" ? [["Do", actions(query, only ? Infinity : MOST_ACTIONS)]] : [];
  groups.landing = only === "landing" ? [["Landings", landing(query)]] : [];
  if (place && (filesOnly || (!only && query))) {
    waiting.add("files");
    files(query, now);
  } else groups.files = [];
  if (!only || (only === "people" && query)) {
    waiting.add("found");
    timer = setTimeout(found, query ? PATIENCE : 0, query, only === "people", now);
  } else groups.found = [];
  draw();
}

function answered(who, now, found) {
  if (now !== turn) return;
  waiting.delete(who);
  groups[who] = found;
  draw();
  if (entered && !waiting.size) enter(entered);
}

function failed(who, now, sentence) {
  if (now !== turn) return;
  problem = sentence;
  answered(who, now, []);
}

function actions(query, most) {
  const folded = query.toLowerCase().replaceAll(" ", "");
  const signedIn = document.documentElement.dataset.signedIn !== undefined;
  const here = [...document.querySelectorAll("#actions a, #actions button")].filter(
    (node) => !node.closest(signedIn ? ".signed-out" : ".signed-in"),
  );
  const fits = here.map((node) => {
    const title = node.textContent.trim();
    const other = ` ${node.dataset.words ?? ""}`;
    const fit = folded ? match(folded, title.toLowerCase()) : { score: 0, at: [] };
    const score = fit?.score ?? (other.includes(` ${folded}`) ? 1 : null);
    return { title, marks: fit?.at ?? [], act: () => node.click(), score };
  });
  return fits.filter((one) => one.score !== null).sort((a, b) => b.score - a.score).slice(0, most);
}

function landing(number) {
  if (!place || !/^\d+$/.test(number)) return [];
  return [{ title: `Landing #${number}`, end: place.address, address: `/${place.address}/landings/${number}` }];
}

function files(query, now) {
  if (!worker) {
    worker = new Worker("/paths.js", { type: "module" });
    worker.onmessage = ({ data }) => filesCame(data);
    worker.onerror = () => failed("files", turn, "The files could not be listed.");
  }
  const [organization, project] = place.address.split("/").map(encodeURIComponent);
  const of = `/api/v1/projects/${organization}/${project}/paths?ref=${encodeURIComponent(place.ref)}`;
  worker.postMessage({ of, find: query, turn: now });
}

function filesCame({ turn: now, kept, problem: code }) {
  if (code === 404) return answered("files", now, []);
  if (code !== undefined) return failed("files", now, code === 429 ? "Too many at once: wait a minute." : "The files could not be listed.");
  const at = `/${place.address}/blob/${part(place.ref)}/`;
  const few = kept.slice(0, filesOnly ? kept.length : 6);
  const rows = few.map(({ text, at: marks }) => ({
    title: text,
    marks,
    voice: "mono",
    end: filesOnly ? "" : place.address,
    address: at + text.split("/").map(part).join("/"),
  }));
  return answered("files", now, [["Files", rows]]);
}

// A part of an address, written as the forge writes it.
function part(text) {
  return encodeURIComponent(text).replaceAll("%40", "@");
}

async function found(query, peopleOnly, now) {
  try {
    const answer = await fetch(`/api/v1/jump?q=${encodeURIComponent(query)}&limit=12`, {
      signal: abort.signal,
      credentials: "same-origin",
      headers: { accept: "application/json" },
    });
    const told = await answer.json();
    if (!answer.ok) return failed("found", now, told.detail ?? "Searching did not work.");
    const hits = told.items.filter((hit) => !peopleOnly || hit.kind === "person");
    const named = new Map();
    for (const hit of hits) named.set(KINDS[hit.kind], [...(named.get(KINDS[hit.kind]) ?? []), item(hit)]);
    return answered("found", now, [...named]);
  } catch (trouble) {
    if (trouble.name === "AbortError") return undefined;
    return failed("found", now, "Nobody answered. Type on to try again.");
  }
}

function item(hit) {
  const marks = hit.marks.filter((mark) => mark.field === "title").flatMap((mark) => span(mark.start, mark.end));
  const title = hit.kind === "project" ? hit.address : hit.title || hit.address;
  return {
    title,
    // Marks are of the title; a project is shown by its address.
    marks: hit.kind === "project" ? [] : marks,
    voice: hit.kind === "session" ? "ask" : "",
    state: hit.kind === "session" ? STATES[hit.status] ?? "draft" : "",
    end: hit.kind === "project" ? (hit.title.toLowerCase() === hit.address.split("/")[1] ? "" : hit.title) : hit.address === title ? "" : hit.address,
    address: new URL(hit.url, location.href).pathname,
  };
}

function span(from, to) {
  return Array.from({ length: to - from }, (_, n) => from + n);
}

function draw() {
  const before = items[chosen];
  items = [];
  list.replaceChildren(
    ...["found", "landing", "files", "actions"].flatMap((who) => groups[who] ?? []).filter(([, rows]) => rows.length).map(group),
  );
  const same = moved && before ? items.findIndex((one) => one.title === before.title && one.address === before.address) : 0;
  choose(Math.max(same, 0));
  const none = !items.length && !waiting.size;
  told.textContent = problem || (none ? "Nothing found." : !items.length && filesOnly ? "Listing the files…" : "");
  told.hidden = !told.textContent;
  if (!waiting.size) status.textContent = problem || (none ? "Nothing found." : `${items.length} result${items.length > 1 ? "s" : ""}`);
}

function group([name, rows]) {
  const node = document.createElement("div");
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", name);
  node.append(...rows.map(option));
  return node;
}

function option(one) {
  const node = document.createElement("div");
  node.setAttribute("role", "option");
  node.id = `palette-${items.length}`;
  node.dataset.n = items.length;
  if (one.state) node.append(element("i", "dot", "")), (node.firstChild.dataset.state = one.state);
  const title = element("span", one.voice === "mono" ? "mono path" : `cut ${one.voice ?? ""}`, "");
  title.append(...marked(one.title, new Set(one.marks ?? [])));
  node.append(title);
  if (one.end) node.append(element("span", "end", one.end));
  items.push({ ...one, node });
  return node;
}

// The letters that fit, in runs. Marks count characters, as people do.
function marked(text, at) {
  const parts = [];
  let run = "";
  let on = false;
  const flush = () => run && parts.push(on ? element("mark", "", run) : run);
  Array.from(text).forEach((letter, n) => {
    if (at.has(n) !== on) {
      flush();
      [run, on] = ["", at.has(n)];
    }
    run += letter;
  });
  flush();
  return parts;
}

function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

function choose(n) {
  items[chosen]?.node.setAttribute("aria-selected", "false");
  chosen = n;
  items.forEach(({ node }, each) => node.setAttribute("aria-selected", String(each === n)));
  const node = items[n]?.node;
  if (!node) return field.removeAttribute("aria-activedescendant");
  field.setAttribute("aria-activedescendant", node.id);
  return node.scrollIntoView({ block: "nearest" });
}

// Before everything has answered, the first one may not be what was meant: then Enter waits.
function enter(event) {
  if (waiting.size && !moved) entered = event;
  else if (items[chosen]) follow(items[chosen], event);
}

function follow(one, event) {
  if (one.address && (event.ctrlKey || event.metaKey)) return window.open(one.address, "_blank", "noopener");
  dialog.close();
  if (one.act) return one.act();
  // A page that is awake opens it without loading (ui/go.js); where none is, the browser does.
  if (dispatchEvent(new CustomEvent("micelio:go", { detail: one.address, cancelable: true }))) location.assign(one.address);
  return undefined;
}
