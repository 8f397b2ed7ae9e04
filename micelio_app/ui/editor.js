// Changing files in the browser: a text, a name, files from this machine, or a deletion. What is typed
// stays here until a session has it; every step is a call of the API that anybody may make.
import { jsx } from "@emotion/react";
import { useEffect, useRef, useState } from "react";
import { useBlocker, useNavigate } from "react-router";
import { call, silence, size } from "./asking.js";

const LARGEST = 1 << 20; // bytes of a text; the server's limit of a preview
const DOES = { edit: "Edit", new: "Create", upload: "Upload", rename: "Rename", delete: "Delete" };

export function Editor({ how, organization, project, path, folder, source, session, sessions, position, lands, back }) {
  const [file, setFile] = useState(null); // {id, mode, text} as it was read
  const [name, setName] = useState(path || folder);
  const [files, setFiles] = useState([]);
  const [replace, setReplace] = useState(false);
  const [target, setTarget] = useState(session || "new");
  const [started, setStarted] = useState([]); // sessions this form began
  const [goal, setGoal] = useState(null);
  const [phase, setPhase] = useState("loading");
  const [told, setTold] = useState(null);
  const [preview, setPreview] = useState(null);
  const [changed, setChanged] = useState(false);
  const text = useRef(null);
  const ends = useRef("\n");
  const seen = useRef({}); // per session what this form has made of the file there
  const leaving = useRef(false);
  const navigate = useNavigate();

  const writes = how === "edit" || how === "new";
  const place = `${organization}/${project}`;
  const open = [...started, ...sessions];
  const dirty = changed || files.length > 0 || (how !== "upload" && name !== (path || folder));

  useEffect(() => {
    if (how === "new" || how === "upload") {
      setPhase("ready");
      return undefined;
    }
    const abort = new AbortController();
    call("GET", source, { signal: abort.signal }).then(
      async (found) => {
        ends.current = /\r\n/.test(found.text ?? "") && !/(^|[^\r])\n/.test(found.text) ? "\r\n" : "\n";
        setFile(found);
        // What a deletion takes away stands above its form, so both come together.
        if (how === "delete") await look();
        if (!abort.signal.aborted) setPhase("ready");
      },
      (problem) => {
        if (abort.signal.aborted) return;
        setPhase("broken");
        setTold(problem);
      },
    );
    return () => abort.abort();
  }, [source]);

  useEffect(() => {
    const warn = (event) => dirty && !leaving.current && event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [dirty]);

  const blocker = useBlocker(() => dirty && !leaving.current);
  useEffect(() => {
    if (blocker.state !== "blocked") return;
    if (window.confirm("What you changed here is not saved yet. Leave without it?")) blocker.proceed();
    else blocker.reset();
  }, [blocker.state]);

  const typed = () => {
    const value = text.current?.value ?? "";
    return new Blob([ends.current === "\n" ? value : value.replaceAll("\n", ends.current)]);
  };
  const was = (id) => seen.current[id] ?? { path, id: file?.id ?? "none" };
  const touched = () => how === "new" || (changed && text.current?.value !== plain(file?.text));
  const suggested = `${DOES[how]} ${how === "upload" ? counted(files) : name || "a file"}`;
  const wanted = goal ?? suggested;

  async function check(id, at, kind, body) {
    if (body && body.size > LARGEST) {
      throw { sentence: "A text of more than 1 MiB cannot be edited here. Upload it as a file, or change it with mic." };
    }
    const from = kind === "upload" ? "" : was(id).path;
    const query = new URLSearchParams({ path: at, was: from, how: kind, position, session: id === "new" ? "" : id });
    const answer = await fetch(`/_fragments/${place}/edited?${query}`, {
      method: "POST",
      credentials: "same-origin",
      headers: { accept: "text/html" },
      body: body ?? null,
    }).catch(() => null);
    if (!answer) throw silence;
    const html = await answer.text();
    if (!answer.ok) throw { status: answer.status, sentence: words(html) };
    return html;
  }

  async function look() {
    setTold(null);
    try {
      if (how === "upload") {
        for (const each of files) await check(target, inside(name, each.name), "upload", null);
        setPreview({ html: "" });
      } else {
        const body = writes ? typed() : null;
        setPreview({ html: await check(target, name, how, body) });
      }
    } catch (problem) {
      setPreview(null);
      refuse(problem);
    }
  }

  async function begin() {
    const began = await call("POST", "/api/v1/sessions", {
      json: { organization, project, goal: wanted.trim(), base_position: position },
    });
    setStarted((before) => [{ id: began.id, goal: began.goal }, ...before]);
    setTarget(began.id);
    return began.id;
  }

  async function change(id) {
    const base = `/api/v1/sessions/${id}`;
    const at = was(id);
    if (how === "upload") {
      for (const each of files) {
        const to = `${base}/files/${address(inside(name, each.name))}`;
        const known = replace ? await call("GET", `${to}?fields=id`).catch((problem) => (problem.status === 404 ? null : Promise.reject(problem))) : null;
        await call("PUT", `${to}?seen=${known?.id ?? "none"}`, { body: each });
      }
      return;
    }
    if (how === "delete") {
      await call("DELETE", `${base}/files/${address(at.path)}?seen=${at.id}`);
      return;
    }
    if (at.path && at.path !== name) {
      await call("POST", `${base}/rename`, { json: { path: at.path, to: name, seen: at.id } });
      seen.current[id] = { path: name, id: at.id };
    }
    if (writes && touched()) {
      const known = was(id).id;
      const saved = await call("PUT", `${base}/files/${address(name)}?seen=${known}`, {
        body: typed(),
        headers: file?.mode ? { "X-Micelio-Mode": file.mode } : {},
      });
      const now = saved.changes.find((each) => each.path === name)?.new;
      seen.current[id] = { path: name, id: now ?? known };
    }
  }

  async function save(landing) {
    if (phase !== "ready") return;
    setPhase("saving");
    setTold(null);
    let id = target;
    try {
      if (id === "new") {
        if (!wanted.trim()) throw { sentence: "Say what this is for: a session has a goal." };
        if (how === "upload") for (const each of files) await check("new", inside(name, each.name), replace ? "replace" : "upload", null);
        else await check("new", name, how, writes ? typed() : null);
        id = await begin();
      }
      await change(id);
    } catch (problem) {
      setPhase("ready");
      refuse(problem, id);
      return;
    }
    try {
      const landed = landing && (await call("POST", `/api/v1/sessions/${id}/land`, { json: { require_approval: landing === "ask" } }));
      leaving.current = true;
      navigate(landed?.position ? `/${place}/landings/${landed.position}` : `/${place}/sessions/${id}`);
    } catch (problem) {
      setPhase("ready");
      setChanged(false);
      refuse({ ...problem, saved: true }, id);
    }
  }

  function refuse(problem, id = target) {
    const there = problem.code === "session.file_changed" && id !== "new";
    setTold({ ...problem, link: problem.saved ? `/${place}/sessions/${id}` : there && path ? `/${place}/edit/${address(path)}?session=${id}` : "" });
  }

  if (phase === "loading") return jsx("div", { className: "late", role: "status" }, "Loading the file …");
  if (phase === "broken") return jsx(Told, { told });
  const nothing = (how === "edit" && !dirty) || (how === "rename" && name === path) || (how === "upload" && !files.length) || (how === "new" && !name);
  const busy = phase === "saving";
  const options = { disabled: busy || nothing, "aria-disabled": busy || nothing };
  return jsx("form", { className: "editing", onSubmit: (event) => { event.preventDefault(); save(""); } },
    how !== "delete" && jsx(Name, { how, name, setName: (value) => { setName(value); setPreview(null); } }),
    how === "upload" && jsx(Files, { files, setFiles, replace, setReplace }),
    writes && jsx(Text, { file, text, how, mixed: mixes(file?.text), onChange: () => { setChanged(true); setPreview(null); } }),
    how !== "delete" && how !== "upload" && jsx("p", { className: "line close" },
      jsx("button", { type: "button", className: "btn small", onClick: () => (preview ? setPreview(null) : look()), disabled: nothing, "aria-expanded": Boolean(preview) }, preview ? "Hide changes" : "Preview changes"),
    ),
    preview?.html && jsx("div", { className: "preview", role: "region", "aria-label": "Changes", dangerouslySetInnerHTML: { __html: preview.html } }),
    jsx("fieldset", { className: "into", disabled: busy },
      jsx("legend", {}, "Save to"),
      jsx("label", { className: "check" },
        jsx("input", { type: "radio", name: "into", checked: target === "new", onChange: () => setTarget("new") }), "A new session"),
      target === "new" && jsx("div", { className: "field" },
        jsx("label", { htmlFor: "goal", className: "hush" }, "Goal"),
        jsx("input", { id: "goal", className: "input", value: wanted, maxLength: 2000, onChange: (event) => setGoal(event.target.value), "aria-describedby": "goal-says" }),
        jsx("p", { id: "goal-says", className: "hint" }, "Its goal: what this change is for. It becomes the landing's first line.")),
      open.map((each) => jsx("label", { className: "check", key: each.id },
        jsx("input", { type: "radio", name: "into", checked: target === each.id, onChange: () => { setTarget(each.id); setPreview(null); } }),
        jsx("span", {}, "Continue ", jsx("span", { className: "ask small" }, each.goal)))),
    ),
    told && jsx(Told, { told }),
    jsx("div", { className: "line close" },
      jsx("button", { type: "submit", className: how === "delete" ? "btn danger" : "btn primary", ...options }, busy ? "Saving …" : how === "delete" ? "Delete in session" : "Save to session"),
      jsx("button", { type: "button", className: "btn", onClick: () => save(lands ? "now" : "ask"), ...options }, lands ? "Land now" : "Save and ask for review"),
      jsx("a", { className: "btn quiet", href: back, onClick: (event) => { event.preventDefault(); navigate(back); } }, "Cancel"),
    ),
  );
}

function Name({ how, name, setName }) {
  const label = how === "upload" ? "Folder" : "Path";
  const hint = {
    edit: "Change it to rename or move the file.",
    new: "Slashes make folders.",
    rename: "Where the file is to be. Slashes make folders.",
    upload: "Leave it empty for the root of the project.",
  }[how];
  return jsx("div", { className: "field" },
    jsx("label", { htmlFor: "path" }, label),
    jsx("input", { id: "path", className: "input mono", value: name, spellCheck: false, autoComplete: "off", autoCapitalize: "off", autoFocus: how === "new" || how === "rename", onChange: (event) => setName(event.target.value), "aria-describedby": "path-says" }),
    jsx("p", { id: "path-says", className: "hint" }, hint));
}

function Files({ files, setFiles, replace, setReplace }) {
  const [over, setOver] = useState(false);
  const add = (more) => setFiles([...files.filter((old) => ![...more].some((each) => each.name === old.name)), ...more]);
  return jsx("div", { className: "stack tight" }, jsx("div", { className: "field" },
    jsx("label", { htmlFor: "files" }, "Files"),
    jsx("div", {
      className: over ? "drop over" : "drop",
      onDragOver: (event) => { event.preventDefault(); setOver(true); },
      onDragLeave: () => setOver(false),
      onDrop: (event) => { event.preventDefault(); setOver(false); add(event.dataTransfer.files); },
    },
      jsx("input", { id: "files", type: "file", multiple: true, onChange: (event) => add(event.target.files), "aria-describedby": "files-say" }),
      jsx("p", { id: "files-say", className: "hint" }, "Or drop them here. A file may have up to 5 GiB.")),
    files.length > 0 && jsx("ul", { className: "rows" }, files.map((each) => jsx("li", { key: each.name },
      jsx("span", { className: "main mono" }, each.name),
      jsx("span", { className: "side line close" }, jsx("span", { className: "meta" }, size(each.size)),
        jsx("button", { type: "button", className: "btn quiet small", "aria-label": `Leave ${each.name} out`, onClick: () => setFiles(files.filter((other) => other !== each)) }, "Leave out")))))),
    jsx("label", { className: "check" },
      jsx("input", { type: "checkbox", checked: replace, onChange: (event) => setReplace(event.target.checked) }),
      "Replace files of the same name"));
}

function Text({ file, text, how, mixed, onChange }) {
  return jsx("div", { className: "field" },
    jsx("label", { htmlFor: "text" }, "Text"),
    jsx("textarea", {
      id: "text", ref: text, className: "input editor", defaultValue: file?.text ?? "", wrap: "off", spellCheck: false,
      autoComplete: "off", autoCapitalize: "off", autoCorrect: "off", autoFocus: how === "edit", rows: 20, onChange, onKeyDown: keys,
      "aria-describedby": "text-says",
    }),
    jsx("p", { id: "text-says", className: "hint" }, "Tab indents. To leave the field with the keyboard press Escape, then Tab."),
    mixed && jsx("p", { className: "notice ochre" }, jsx("b", {}, "This file ends its lines in several ways."), jsx("span", {}, "Saved from here, all of them end in a line feed.")));
}

function Told({ told }) {
  return jsx("p", { className: "notice rust", role: "alert" },
    jsx("b", {}, told.saved ? "Saved, and not landed." : "Not saved."),
    jsx("span", {}, told.sentence, told.saved ? "" : " What you have here stays."),
    told.link && jsx("a", { className: "btn small end", href: told.link, target: "_blank", rel: "noopener" }, "Open the session"));
}

// Tab and Shift+Tab move lines, Enter keeps the indentation; the browser's own undo knows all of it.
function keys(event) {
  const field = event.currentTarget;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { selectionStart: start, selectionEnd: end, value } = field;
  const lead = value.lastIndexOf("\n", start - 1) + 1;
  if (event.key === "Enter" && !event.shiftKey) {
    const indent = /^[ \t]*/.exec(value.slice(lead, start))[0];
    if (!indent) return;
    event.preventDefault();
    type(field, `\n${indent}`);
  } else if (event.key === "Tab") {
    event.preventDefault();
    const unit = /^\t/m.test(value) ? "\t" : /^ {2}\S/m.test(value) ? "  " : "    ";
    if (!event.shiftKey && start === end) return void type(field, unit);
    const until = end > start && value[end - 1] === "\n" ? end - 1 : end;
    const block = value.slice(lead, until);
    const moved = event.shiftKey
      ? block.replace(new RegExp(`^(\\t| {1,${unit === "\t" ? 4 : unit.length}})`, "gm"), "")
      : block.replace(/^(?=.)/gm, unit);
    if (moved === block) return;
    field.setSelectionRange(lead, until);
    type(field, moved);
    field.setSelectionRange(start === end ? Math.max(lead, start + moved.length - block.length) : lead, lead + moved.length);
  }
}

function type(field, text) {
  if (!document.execCommand("insertText", false, text)) field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
}

const words = (html) => new DOMParser().parseFromString(html, "text/html").body.textContent.trim();
const plain = (text) => (text ?? "").replace(/\r\n?/g, "\n");
const mixes = (text) => /\r/.test(text ?? "") && (/\r(?!\n)/.test(text) || /(^|[^\r])\n/.test(text));
const inside = (folder, name) => [...(folder ? [folder.replace(/\/+$/, "")] : []), name.replaceAll("\\", "\\\\")].join("/");
const counted = (files) => (files.length === 1 ? files[0].name : files.length ? `${files.length} files` : "files");

// A path's text has raw bytes as \xNN; in an address each is its own escape.
function address(path) {
  return path.split("/").map((part) =>
    part.split(/(\\x[0-9a-f]{2}|\\\\)/).map((piece) =>
      piece === "\\\\" ? "%5C" : /^\\x[0-9a-f]{2}$/.test(piece) ? `%${piece.slice(2).toUpperCase()}` : encodeURIComponent(piece)).join("")).join("/");
}
