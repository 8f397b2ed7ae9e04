"""skill.md: how an agent works here, by hand up to the operations and from the registry after.

An agent reads this once and then works with nothing but HTTP, so every example in it is a
whole request.
"""

from backend.core.config import Settings
from backend.core.operations import Operation
from backend.doors import catalogue

INTRODUCTION = """\
---
name: micelio
description: Work on projects of the forge at {url}. Start a session, say what you do, send files, land.
---

# Working on {url}

Micelio keeps code together with why it changed. You work in a *session*: it has a goal, what was
said and decided, and changed files. People watch it grow. *Landing* puts it on the project's one line
of history as the next position.

## Before you start

- You need a token: `Authorization: Bearer mic_…`, made by a person under Settings, or with
  `mic auth token create --agent --name you`. In the examples it is in `$MICELIO_TOKEN`. It needs the
  scopes `project:read`, `session:read` and `session:write`. Without one, `mic auth login` shows a code
  for a person to approve.
- A project is an organization and a handle: `{{"organization": "ada", "project": "notes"}}`, or
  `{{"project": "ada/notes"}}`.
- Every refusal is `application/problem+json`. `detail` is a sentence that says what to do; `code` stays
  the same between versions; `details` has the rest.

## One session, start to end

```sh
# 1. Say what you want to achieve. The answer has the session's id and what it is based on.
curl -sX POST {url}/api/v1/sessions -H "Authorization: Bearer $MICELIO_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{{"project": "ada/notes", "goal": "Explain how to install it", "agent": "codex", "model": "gpt-5"}}'

# 2. Read what is there.
curl -s {url}/api/v1/projects/ada/notes/tree/HEAD -H "Authorization: Bearer $MICELIO_TOKEN"
curl -s {url}/api/v1/projects/ada/notes/files/HEAD/README.md -H "Authorization: Bearer $MICELIO_TOKEN"

# 3. Say what you do while you do it: events for steps, decisions for choices somebody may ask about.
curl -sX POST {url}/api/v1/sessions/$SESSION/events -H "Authorization: Bearer $MICELIO_TOKEN" \\
  -H "Content-Type: application/json" -d '{{"kind": "progress", "body": {{"text": "Reading the Makefile"}}}}'
curl -sX POST {url}/api/v1/sessions/$SESSION/decisions -H "Authorization: Bearer $MICELIO_TOKEN" \\
  -H "Content-Type: application/json" -d '{{"content": "Document make serve only", "role": "agent"}}'

# 4. Send files as they are, one PUT each. Delete with DELETE at the same address.
curl -sX PUT {url}/api/v1/sessions/$SESSION/files/README.md -H "Authorization: Bearer $MICELIO_TOKEN" \\
  -H "Content-Type: application/octet-stream" --data-binary @README.md

# 5. Look at your own diff, then land it, or leave it for a person with "require_approval": true.
curl -s {url}/api/v1/sessions/$SESSION/diff -H "Authorization: Bearer $MICELIO_TOKEN"
curl -sX POST {url}/api/v1/sessions/$SESSION/land -H "Authorization: Bearer $MICELIO_TOKEN" \\
  -H "Content-Type: application/json" -d '{{"summary": "The README says how to install."}}'
```

## What to know

- **Conflicts.** When somebody landed other changes to your paths since your base, landing answers 409
  with `code` `landing.conflict`; `details.paths` lists base, ours and theirs of each and who
  changed it. Start again from the head, or ask a person.
- **Say it twice safely.** Give events and notes a `client_id`: the same one again is the same event.
  Whatever else changes something takes a header `Idempotency-Key: <random UUID>`: sent again with it, the
  same request is done once and answered alike for 24 hours.
- **Kinds of event**: status, progress, output, error, artifact, prompt, message, thinking, tool_call,
  tool_result, plan, diff, checkpoint, usage, permission. A plan is
  `{{"kind": "plan", "body": {{"steps": [{{"text": "…", "state": "pending"}}]}}}}` with state pending,
  running, done or failed; send it again to change it.
- **Ids.** A session answers to its whole id and to any unique beginning or end of it.
- **Watching.** `GET /api/v1/sessions/$SESSION/events/stream` is a stream of server-sent events.
- **Secrets** in what you write are cut before they are stored. Do not rely on it.

The whole API: {url}/api/v1/docs, for machines {url}/api/v1/openapi.json.

## The operations made for agents
"""


def document(settings: Settings) -> str:
    """The text, for this instance."""
    tools = [op for op in catalogue.offered("rest") if op.tool]
    return "\n".join([INTRODUCTION.format(url=settings.public_url), *(_tool(op) for op in tools)])


def _tool(op: Operation) -> str:
    lines = [f"### {op.name}", "", f"`{op.method} {op.path}`", "", op.description, ""]
    for name, field in op.arguments.model_fields.items():
        place = (
            "in the address"
            if f"{{{name}}}" in op.path
            else "required"
            if field.is_required()
            else "optional"
        )
        default = (
            "" if field.is_required() or field.default in (None, "", [], {}) else f", {_plain(field.default)}"
        )
        lines.append(f"- `{name}` ({place}{default})")
    scope = f"Needs the scope `{op.scope}`." if op.scope else "Needs no scope."
    return "\n".join([*lines, "", scope, ""])


def _plain(value: object) -> str:
    return f"`{getattr(value, 'value', value)}` unless you say otherwise"
