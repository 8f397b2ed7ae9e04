// Files of this machine as the first landing of a project: chosen or dropped here, held until the
// project is there (`into` is its address), then sent in batches to one session, which lands.
//
// What fails is tried again from where it stopped: the session and what it has are kept.
import { jsx } from "@emotion/react";
import { useEffect, useRef, useState } from "react";
import { call, silence, size } from "./asking.js";

const MOST_FILES = 2000;
const MOST_BYTES = 200 << 20;
const BATCH_FILES = 200;
const BATCH_BYTES = 8 << 20;
const LEFT_OUT = new Set([".git", ".mic", ".hg", ".svn", ".venv", "node_modules", "__pycache__", ".DS_Store", "Thumbs.db"]);

export function FirstFiles({ into, goal, onChoose, onLanded }) {
  const [files, setFiles] = useState(new Map()); // path -> File
  const [left, setLeft] = useState(new Set());
  const [over, setOver] = useState(false);
  const [sent, setSent] = useState(0);
  const [problem, setProblem] = useState("");
  const begun = useRef({ into: "", session: null, puts: new Map() });
  const busy = Boolean(into) && !problem;

  const add = (found) => {
    const more = new Map(files);
    const without = new Set(left);
    for (const { path, file } of found) {
      const omitted = path.split("/").find((part) => LEFT_OUT.has(part));
      if (omitted) without.add(omitted);
      else more.set(path, file);
    }
    setFiles(more);
    setLeft(without);
    onChoose?.(tooMuch(more) ? -1 : more.size);
  };
  const clear = () => {
    setFiles(new Map());
    setLeft(new Set());
    onChoose?.(0);
  };
  const send = () => {
    setProblem("");
    land(into, goal, files, begun.current, setSent).then(
      () => onLanded?.(into),
      (trouble) => setProblem(trouble === silence ? "Nobody answered, or a file could not be read." : trouble.sentence),
    );
  };

  useEffect(() => {
    if (!into || begun.current.into === into) return;
    begun.current = { into, session: null, puts: new Map() };
    send();
  }, [into]);

  useEffect(() => {
    if (!busy) return undefined;
    const stay = (event) => event.preventDefault();
    addEventListener("beforeunload", stay);
    return () => removeEventListener("beforeunload", stay);
  }, [busy]);

  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    dropped(event.dataTransfer).then(add);
  };
  const hover = (event) => {
    event.preventDefault();
    setOver(true);
  };
  return jsx("div", { className: "stack tight" }, [
    !into && jsx("div", { key: "drop", className: over ? "drop over" : "drop", onDrop: drop, onDragOver: hover, onDragLeave: () => setOver(false) }, [
      jsx("span", { key: "w" }, "Drop files or a folder here, or choose"),
      jsx(Choose, { key: "f", words: "Files", add }),
      jsx(Choose, { key: "d", words: "A folder", folder: true, add }),
    ]),
    jsx(Chosen, { key: "chosen", files, left, clear: into ? null : clear }),
    busy && jsx("p", { key: "sent", role: "status", className: "soft" }, sent < files.size ? `Sent ${sent} of ${counted(files.size, "file")} …` : "Landing them …"),
    problem && jsx("p", { key: "problem", className: "notice rust", role: "alert" }, [
      jsx("b", { key: "b" }, "The files have not landed yet."),
      jsx("span", { key: "s" }, `${problem} The project is there, and what was sent is kept.`),
      jsx("button", { key: "a", type: "button", className: "btn small end", onClick: send }, "Try again"),
    ]),
  ]);
}

function Choose({ words, folder, add }) {
  const input = useRef(null);
  useEffect(() => {
    if (folder) input.current.webkitdirectory = true; // React does not know it
  }, [folder]);
  const chosen = () => {
    const found = [...input.current.files].map((file) => ({ path: inside(file.webkitRelativePath) || file.name, file }));
    input.current.value = "";
    add(found);
  };
  return jsx("label", { className: "btn small" }, words, jsx("input", { key: "i", ref: input, type: "file", multiple: true, className: "hush", onChange: chosen }));
}

function Chosen({ files, left, clear }) {
  const paths = [...files.keys()].sort();
  const bytes = [...files.values()].reduce((sum, file) => sum + file.size, 0);
  return jsx("div", { className: "stack tight", role: "status" }, [
    tooMuch(files) && jsx("p", { key: "m", className: "error" }, `${counted(paths.length, "file")} with ${size(bytes)} are more than a browser should carry. Begin empty and land the folder with mic: the next page says how.`),
    paths.length > 0 && jsx("p", { key: "n", className: "line close" }, [
      jsx("b", { key: "b" }, `${counted(paths.length, "file")}, ${size(bytes)}`),
      clear && jsx("button", { key: "c", type: "button", className: "btn quiet small", onClick: clear }, "Clear"),
    ]),
    paths.length > 0 && jsx("ul", { key: "l", className: "mono soft chosen" }, [
      ...paths.slice(0, 8).map((path) => jsx("li", { key: path, className: "cut" }, path)),
      paths.length > 8 && jsx("li", { key: "…" }, `and ${paths.length - 8} more`),
    ]),
    left.size > 0 && jsx("p", { key: "o", className: "hint" }, `Left out: ${[...left].sort().join(", ")}.`),
  ]);
}

// The files below what was dropped. A folder that was dropped alone is the project.
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = [];
  const alone = entries.length === 1 && entries[0].isDirectory;
  for (const entry of entries) await walk(entry, alone ? "" : entry.name, found);
  return found;
}

async function walk(entry, path, found) {
  if (LEFT_OUT.has(entry.name)) return found.push({ path: entry.name, file: null });
  if (entry.isFile) return found.push({ path, file: await new Promise((give, refuse) => entry.file(give, refuse)) });
  const reader = entry.createReader();
  for (;;) {
    // It gives a hundred at a time.
    const some = await new Promise((give, refuse) => reader.readEntries(give, refuse));
    if (!some.length) return undefined;
    for (const one of some) await walk(one, path ? `${path}/${one.name}` : one.name, found);
  }
}

async function land(into, goal, files, begun, tell) {
  const [organization, project] = into.split("/");
  if (!begun.session) {
    const started = await call("POST", "/api/v1/sessions", { json: { organization, project, goal, base_position: 0 } });
    begun.session = started.id;
  }
  const here = `/api/v1/sessions/${begun.session}`;
  const paths = [...files.keys()].filter((path) => !begun.puts.has(path));
  tell(begun.puts.size);
  while (paths.length) {
    const batch = next(paths, files);
    const ids = batch.length === 1 && files.get(batch[0]).size > BATCH_BYTES ? await alone(here, batch[0], files) : await together(here, batch, files);
    batch.forEach((path, n) => begun.puts.set(path, ids[n]));
    tell(begun.puts.size);
  }
  const puts = [...begun.puts].filter(([, blob]) => blob).map(([path, blob]) => ({ path: quoted(path), blob, mode: "100644" }));
  if (puts.length) await call("POST", `${here}/push`, { json: { files: puts } });
  await call("POST", `${here}/land`, { json: {} });
}

function next(paths, files) {
  const batch = [paths.shift()];
  let bytes = files.get(batch[0]).size;
  while (paths.length && batch.length < BATCH_FILES && bytes + files.get(paths[0]).size <= BATCH_BYTES) {
    bytes += files.get(paths[0]).size;
    batch.push(paths.shift());
  }
  return batch;
}

async function together(here, batch, files) {
  const form = new FormData();
  for (const path of batch) form.append("file", files.get(path), "file");
  return (await call("POST", `${here}/blobs`, { body: form })).blobs;
}

// A large file is streamed, and written by that.
async function alone(here, path, files) {
  const address = path.split("/").map(encodeURIComponent).join("/");
  await call("PUT", `${here}/files/${address}`, { body: files.get(path) });
  return [null];
}

const inside = (path) => path.split("/").slice(1).join("/");
const quoted = (path) => path.replaceAll("\\", "\\\\"); // as vcs/paths.py writes paths
const counted = (n, word) => `${n.toLocaleString("en-GB")} ${word}${n === 1 ? "" : "s"}`;

function tooMuch(files) {
  let bytes = 0;
  for (const file of files.values()) bytes += file.size;
  return files.size > MOST_FILES || bytes > MOST_BYTES;
}
