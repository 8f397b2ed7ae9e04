// Asking the forge from a form that does its work over the API. What is thrown has a sentence for whoever sent it.
export const silence = { sentence: "The forge did not answer. Try again." };

export async function call(method, path, { json, body, headers = {}, signal } = {}) {
  const sent = json === undefined ? { body, headers } : { body: JSON.stringify(json), headers: { "content-type": "application/json" } };
  const answer = await fetch(path, { method, credentials: "same-origin", signal, ...sent }).catch(() => null);
  if (!answer) throw silence;
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  if (answer.status === 401) throw { sentence: "You are signed out here. Sign in in another tab, then try again." };
  throw { status: answer.status, code: found.code, sentence: found.detail ?? `The forge answered ${answer.status}.` };
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
