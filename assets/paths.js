// Every path of a project at a ref, fetched once and looked through away from the page: a tree of
// 100,000 files stops nobody from typing.
//
// Page -> worker  {of: address, find: what was typed, turn}
// Worker -> page  {turn, total, kept: [{text, at}]} | {turn, problem: status, 0 when nobody answered}
import { best } from "/match.js";

const MOST = 50;
const FRESH = 30_000; // milliseconds; then it is asked again, which costs little while nothing changed

const known = new Map(); // address -> {since, paths: a promise of {texts, folded}}
let newest = 0;

onmessage = async ({ data: { of, find, turn } }) => {
  newest = turn;
  try {
    const { texts, folded } = await paths(of);
    // Somebody types faster than paths come: only the last question is answered.
    if (turn === newest) postMessage({ turn, ...best(find, texts, folded, MOST) });
  } catch (problem) {
    known.delete(of);
    postMessage({ turn, problem: problem.status ?? 0 });
  }
};

function paths(of) {
  const held = known.get(of);
  if (held && Date.now() - held.since < FRESH) return held.paths;
  const fresh = { since: Date.now(), paths: load(of) };
  known.set(of, fresh);
  return fresh.paths;
}

async function load(of) {
  const answer = await fetch(of, { credentials: "same-origin", headers: { accept: "application/json" } });
  if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status });
  const { items: texts } = await answer.json();
  return { texts, folded: texts.map((text) => text.toLowerCase()) };
}
