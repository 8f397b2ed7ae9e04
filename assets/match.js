// How well a text fits what was typed: letters in their order, best when they stand together at
// the end of a path. Used by the palette and by the worker that looks through paths.

// Both in lower case, the query without spaces. Null when a letter is missing, else {score, at}:
// where its letters are, the last fit first looked for, since names end paths.
export function match(query, text) {
  const name = text.lastIndexOf("/") + 1;
  const whole = text.indexOf(query, name);
  if (whole >= 0) return { score: together(query, text, name, whole), at: run(whole, query.length) };
  const earlier = text.lastIndexOf(query);
  if (earlier >= 0) return { score: 500 - text.length / 10, at: run(earlier, query.length) };
  const at = new Array(query.length);
  let from = text.length - 1;
  for (let n = query.length - 1; n >= 0; n--) {
    from = text.lastIndexOf(query[n], from);
    if (from < 0) return null;
    at[n] = from--;
  }
  return { score: apart(text, name, at), at };
}

function together(query, text, name, from) {
  if (from === name) return (query.length === text.length - name ? 1000 : 900) - text.length / 10;
  return (starts(text, from) ? 800 : 700) - text.length / 10;
}

function apart(text, name, at) {
  let score = 100;
  for (let n = 0; n < at.length; n++) {
    if (at[n] >= name) score += 8;
    if (starts(text, at[n])) score += 12;
    if (n && at[n] === at[n - 1] + 1) score += 10;
  }
  return Math.min(score, 450) - text.length / 10;
}

function starts(text, at) {
  return at === 0 || "/._- ".includes(text[at - 1]);
}

function run(from, length) {
  return Array.from({ length }, (_, n) => from + n);
}

// The best `most` of many, in order of fit and then as they came. `fold` is their lower-case form.
export function best(typed, texts, folded, most) {
  const query = typed.toLowerCase().replaceAll(" ", "");
  const kept = [];
  if (!query) return { total: texts.length, kept: texts.slice(0, most).map((text) => ({ text, at: [] })) };
  let total = 0;
  for (let n = 0; n < texts.length; n++) {
    const found = match(query, folded[n]);
    if (!found) continue;
    total++;
    if (kept.length === most && found.score <= kept[most - 1].score) continue;
    let place = kept.length;
    while (place && kept[place - 1].score < found.score) place--;
    kept.splice(place, 0, { text: texts[n], at: found.at, score: found.score });
    if (kept.length > most) kept.pop();
  }
  return { total, kept };
}
