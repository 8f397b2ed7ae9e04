"""The REST door: addresses, bodies, headers and refusals, whatever the operation."""

import logging
from dataclasses import replace

import pytest

from backend.core.config import RateLimits
from backend.core.errors import NotFound
from backend.doors import problems, rest
from backend.doors.requests import address_of
from backend.sessions import content
from tests.backend.doors.faces import Rest
from vcs import paths

OPEN = "/api/v1/projects/acme/open"


@pytest.fixture
def door(world, portal) -> Rest:
    return Rest(world, portal)


@pytest.fixture
def grace(world) -> str:
    """The token of a member."""
    return world.token_of("member")


@pytest.fixture
def draft(world) -> str:
    """The address of grace's open session."""
    return f"/api/v1/sessions/{world.names['open.draft']}"


@pytest.fixture
def cookie(world) -> dict[str, str]:
    """What grace's browser sends along."""
    return {"Cookie": f"micelio_session={world.names['cookie.grace']}"}


def test_slashes_at_the_end_belong_to_the_path_and_an_escaped_one_to_the_ref(door, grace):
    page = door.send("GET", f"{OPEN}/tree/HEAD/src", grace).json()
    missing = door.send("GET", f"{OPEN}/tree/feature%2Fx/src/main.py", grace).json()

    assert [entry["path"] for entry in page["entries"]] == ["src/main.py"]
    assert "ref 'feature/x'" in missing["detail"]


def test_imports_are_asked_for_in_the_specification_s_words_at_its_address(door, grace):
    told = {
        "source_url": "https://example.org/a.git",
        "organization_handle": "acme",
        "project_handle": "fresh",
    }
    moved = door.send("POST", "/api/projects/import", grace, json=told)
    asked = door.send("POST", moved.headers["location"], grace, json=told)

    assert (moved.status_code, asked.status_code) == (308, 202)
    stages = [stage["stage"] for stage in asked.json()["stages"]]
    assert stages == ["metadata", "git_data_clone", "validation", "landing", "finalization"]


@pytest.mark.parametrize("tail", ["", "/"])
def test_the_path_of_a_tree_may_be_empty(door, grace, tail):
    assert door.send("GET", f"{OPEN}/tree/HEAD{tail}", grace).json()["path"] == ""


def test_the_path_of_a_file_may_not_be_empty(door, grace):
    assert door.send("GET", f"{OPEN}/files/HEAD/", grace).status_code == 404


@pytest.mark.parametrize(("raw", "path"), [("a%20b", "a b"), ("caf%C3%A9", "café"), ("%FF%0A", r"\xff\x0a")])
def test_any_bytes_can_be_a_path(door, grace, draft, raw, path):
    put = door.send("PUT", f"{draft}/files/dir/{raw}", grace, content=b"content")

    assert put.status_code == 200
    assert f"dir/{path}" in [change["path"] for change in put.json()["changes"]]
    assert paths.quote(paths.unquote(path)) == path


def test_an_upload_is_kept_as_it_was_sent_with_its_mode(door, grace, draft):
    content = bytes(range(256)) * 4096
    headers = {"X-Micelio-Mode": "100755", "Content-Type": "application/json"}

    put = door.send("PUT", f"{draft}/files/tool", grace, content=content, headers=headers).json()

    change = next(change for change in put["changes"] if change["path"] == "tool")
    assert (change["new_mode"], change["binary"]) == ("100755", True)


def test_an_upload_nobody_may_make_is_refused_before_it_is_read(door, world, draft):
    async def endless():
        yield b"first"
        raise AssertionError("the body was read")

    for token, status in (("", 401), (world.token_of("outsider"), 404)):
        assert door.send("PUT", f"{draft}/files/a", token, content=endless()).status_code == status


def test_names_of_older_clients_are_understood(door, grace):
    for names in (
        {"organization": "acme", "project": "open"},
        {"organization_handle": "acme", "project_handle": "open"},
        {"project": "acme/open"},
    ):
        started = door.send("POST", "/api/v1/sessions", grace, json={**names, "goal": "Try"})
        assert started.json()["project"] == "open"


def test_an_argument_that_differs_from_the_address_is_refused(door, grace):
    refused = door.send("PATCH", OPEN, grace, json={"project": "secret", "name": "x"})

    assert refused.status_code == 422
    assert refused.json()["details"]["fields"][0]["field"] == "project"


@pytest.mark.parametrize(
    "body",
    [
        {"events": [{"kind": "progress", "body": {"text": "1"}}]},
        [{"kind": "progress", "body": {"text": "1"}}],
        {"kind": "progress", "body": {"text": "1"}},
    ],
)
def test_events_come_in_an_object_in_a_list_or_alone(door, grace, draft, body):
    appended = door.send("POST", f"{draft}/events", grace, json=body)

    assert appended.status_code == 201
    assert [event["body"] for event in appended.json()["items"]] == [{"text": "1"}]


def test_json_that_curl_calls_a_form_is_read_as_json(door, grace):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b'{"project": "acme/open", "goal": "As in the manual"}'

    assert door.send("POST", "/api/v1/sessions", grace, content=body, headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b'{"goal": ', "application/json", 400, "request.malformed"),
        (b"null", "application/json", 400, "request.malformed"),
        (b"[" * 100_000, "application/json", 400, "request.malformed"),
        (b'{"a": 1e999}', "application/json", 400, "request.malformed"),
        (b'{"a": "\\ud800"}', "application/json", 400, "request.malformed"),
        (b'{"goal": "a\\u0000"}', "application/json", 422, "input.validation"),
        (b"<goal/>", "text/xml", 415, "request.media_type"),
        (b"goal=x", "application/x-www-form-urlencoded", 415, "request.media_type"),
        (b" " * (10 * 1024 * 1024 + 1), "application/json", 413, "request.too_large"),
    ],
)
def test_a_body_that_cannot_be_used_is_a_clear_problem(door, grace, body, kind, status, code):
    refused = door.send("POST", "/api/v1/sessions", grace, content=body, headers={"Content-Type": kind})

    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_a_file_that_is_announced_as_too_large_is_refused_before_it_is_sent(door, grace, draft):
    async def body():
        raise AssertionError("it was read")
        yield b""

    length = {"Content-Length": str(content.LARGEST_BLOB + 1)}
    refused = door.send("PUT", f"{draft}/files/large", grace, content=body(), headers=length)

    assert (refused.status_code, refused.json()["code"]) == (413, "file.too_large")


def test_a_file_that_grows_too_large_on_its_way_is_refused(door, grace, draft, monkeypatch):
    monkeypatch.setattr(content, "LARGEST_BLOB", 10)

    async def body():
        yield b"12345678901"

    refused = door.send("PUT", f"{draft}/files/large", grace, content=body())

    assert (refused.status_code, refused.json()["code"]) == (413, "file.too_large")


def test_queries_are_read_by_type_and_an_empty_one_is_none(door, grace):
    page = door.send("GET", f"{OPEN}/landings?limit=1", grace).json()

    assert len(page["items"]) == 1
    assert door.send("GET", f"{OPEN}/sessions?status=&limit=", grace).status_code == 200
    assert door.send("GET", f"{OPEN}/landings?limit=one", grace).status_code == 422
    assert door.send("GET", f"{OPEN}/landings?limit=1&limit=2", grace).status_code == 422


def test_pages_lead_to_the_next_until_the_last(door, grace):
    seen, address = [], f"{OPEN}/landings?limit=1"
    while address:
        answer = door.send("GET", address, grace)
        seen += [landing["position"] for landing in answer.json()["items"]]
        address = answer.links.get("next", {}).get("url")

    assert seen == [2, 1]


def test_what_did_not_change_is_not_sent_again(door, grace):
    first = door.send("GET", OPEN, grace)
    again = door.send("GET", OPEN, grace, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    door.send("PATCH", OPEN, door_owner(door), json={"description": "New."})
    changed = door.send("GET", OPEN, grace, headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert changed.status_code == 200


def test_a_long_answer_is_compressed_for_who_takes_it(door, grace, monkeypatch):
    monkeypatch.setattr(rest, "LONG", 100)
    plain = door.send("GET", OPEN, grace, headers={"Accept-Encoding": "identity"})
    zipped = door.send("GET", OPEN, grace, headers={"Accept-Encoding": "gzip"})
    tag = zipped.headers["etag"]
    again = door.send("GET", OPEN, grace, headers={"If-None-Match": tag, "Accept-Encoding": "gzip"})

    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.json() == plain.json()
    assert (tag, again.status_code, again.content) == (f"W/{plain.headers['etag']}", 304, b"")


def test_answers_are_kept_only_by_who_may_keep_them(door, grace):
    assert door.send("GET", OPEN).headers["cache-control"] == "no-cache"
    assert door.send("GET", OPEN, grace).headers["cache-control"] == "private, no-cache"
    token = door.send("POST", "/api/v1/tokens", grace, json={"name": "t", "scopes": ["project:read"]})
    assert token.headers["cache-control"] == "no-store"
    assert door.send("GET", "/api/v1/projects/acme/secret").headers["cache-control"] == "no-store"


def test_head_is_get_without_the_body(door, grace):
    got, head = door.send("GET", OPEN, grace), door.send("HEAD", OPEN, grace)

    assert head.content == b""
    assert {k: v for k, v in head.headers.items() if k in ("etag", "content-length", "content-type")} == {
        k: got.headers[k] for k in ("etag", "content-length", "content-type")
    }


def test_another_method_is_told_which_ones_there_are(door):
    refused = door.send("PUT", OPEN)

    assert refused.status_code == 405
    assert refused.headers["allow"] == "DELETE, GET, HEAD, PATCH"


@pytest.mark.parametrize("address", ["/api", "/api/", "/api/v1/nothing", "/api/v2/user", "/api/v1/user/"])
def test_an_unknown_address_of_the_api_is_a_problem_not_a_page(door, address):
    answer = door.send("GET", address)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == problems.CONTENT_TYPE


def test_a_problem_has_an_address_that_explains_it(door):
    problem = door.send("GET", "/api/v1/projects/acme/secret").json()

    assert problem["type"].endswith("/problems/not_found")
    explained = door.send("GET", "/problems/" + problem["type"].rpartition("/")[2])
    assert NotFound.__doc__ in explained.text.replace("&#x27;", "'")


def test_a_wrong_token_is_told_so_whatever_else_is_wrong(door):
    for method, address, parts in (
        ("GET", OPEN, {}),
        ("GET", "/api/v1/projects/acme/secret", {}),
        ("POST", "/api/v1/sessions", {"content": b"{"}),
    ):
        refused = door.send(method, address, "mic_nonsense", **parts)
        assert (refused.status_code, refused.json()["code"]) == (401, "auth.wrong")
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_a_browser_may_change_things_from_our_own_pages_only(door, cookie):
    body = {"project": "acme/open", "goal": "From a page"}

    def started(**headers):
        return door.send("POST", "/api/v1/sessions", json=body, headers={**cookie, **headers}).status_code

    assert started(Origin="http://forge.test") == 201
    assert started(Origin="https://elsewhere.test") == 403
    assert started() == 403
    assert door.send("GET", "/api/v1/user", headers=cookie).json()["handle"] == "grace"


def test_a_request_keeps_its_sane_id_and_gets_one_otherwise(door):
    kept = door.send("GET", OPEN, headers={"X-Request-Id": "trace-12345678"})
    made = door.send("GET", OPEN, headers={"X-Request-Id": "x\ty" * 40})

    assert kept.headers["x-request-id"] == "trace-12345678"
    assert len(made.headers["x-request-id"]) == 36


def test_a_bug_is_a_traceback_in_the_log_and_an_id_for_the_caller(door, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(rest, "_links", broken)

    answer = door.send("GET", OPEN)

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.json()["request_id"] in answer.json()["detail"]
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in caplog.text
    assert answer.headers["x-request-id"] in caplog.text


def test_each_request_is_one_line_without_secrets(door, grace, caplog):
    with caplog.at_level(logging.INFO, logger="micelio.requests"):
        door.send("GET", f"/api/v1/orgs/{grace}?token={grace}", grace)

    (line,) = [record.getMessage() for record in caplog.records if record.name == "micelio.requests"]
    assert line.startswith("GET /api/v1/orgs/mic_")
    assert " 422 " in line
    assert " grace 192.0.2.99" in line
    assert grace not in line


def test_too_many_requests_are_told_when_to_come_back(world, portal):
    world.forge.settings = replace(world.forge.settings, rates=RateLimits(anonymous=2))
    door = Rest(world, portal)
    left = [door.send("GET", OPEN).headers["x-ratelimit-remaining"] for _ in range(2)]
    refused = door.send("GET", OPEN)

    assert left == ["1", "0"]
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(world):
    settings = replace(world.forge.settings, trusted_proxies=("192.0.2.0/24",))

    def address(peer):
        return address_of({"client": (peer, 1), "headers": [(b"x-forwarded-for", b"198.51.100.1")]}, settings)

    assert address("192.0.2.1") == "198.51.100.1"
    assert address("203.0.113.9") == "203.0.113.9"


def door_owner(door) -> str:
    return door.world.token_of("owner")


def test_a_request_sent_again_with_its_key_is_answered_again(door, grace):
    asked = {"organization": "acme", "project": "open", "goal": "Once"}
    key = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}

    first = door.send("POST", "/api/v1/sessions", grace, json=asked, headers=key)
    again = door.send("POST", "/api/v1/sessions", grace, json=asked, headers=key)
    other = door.send("POST", "/api/v1/sessions", grace, json={**asked, "goal": "Twice"}, headers=key)

    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, again.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.reused")


def test_an_upload_with_a_key_is_told_apart_by_its_content(door, grace, draft):
    key = {"Idempotency-Key": "upload-1"}

    first = door.send("PUT", f"{draft}/files/a.txt", grace, content=b"one", headers=key)
    again = door.send("PUT", f"{draft}/files/a.txt", grace, content=b"one", headers=key)
    other = door.send("PUT", f"{draft}/files/a.txt", grace, content=b"two", headers=key)

    assert (first.status_code, again.content, other.status_code) == (200, first.content, 422)


@pytest.mark.parametrize("address", [OPEN, "/api/v1/orgs/acme", "/api/v1/user"])
def test_an_update_holds_only_for_what_was_read(door, world, address):
    ada = world.token_of("owner")
    read = door.send("GET", address, ada).headers["etag"]

    first = door.send("PATCH", address, ada, json={"name": "One"}, headers={"If-Match": f'"x", {read}'})
    second = door.send("PATCH", address, ada, json={"name": "Two"}, headers={"If-Match": read})
    weak = door.send("PATCH", address, ada, json={"name": "Two"}, headers={"If-Match": f"W/{read}"})
    now = door.send("GET", address, ada)

    assert first.status_code == 200
    assert first.headers["etag"] == now.headers["etag"] == second.headers["etag"]
    assert (second.status_code, second.json()["code"]) == (412, "request.precondition")
    assert weak.status_code == 412
    assert now.json()["name"] == "One"
    any_ = door.send("PATCH", address, ada, json={"name": "Three"}, headers={"If-Match": "*"})
    assert any_.status_code == 200


def test_what_has_no_tag_is_not_changed_under_a_condition(door, grace):
    refused = door.send("POST", "/api/v1/sessions/0123abcd/land", grace, headers={"If-Match": '"a"'})

    assert refused.status_code == 412


def test_every_answer_says_where_its_time_went(door, grace):
    for address in (f"{OPEN}/tree/HEAD", "/health/live", f"{OPEN}/landings?limit=0"):
        timing = door.send("GET", address, grace).headers["server-timing"]
        parts = dict(part.split(";dur=") for part in timing.split(", "))
        assert list(parts) == ["db", "store", "render", "total"]

    read = door.send("GET", f"{OPEN}/files/HEAD/README.md", grace).headers["server-timing"]
    parts = {name: float(ms) for name, ms in (part.split(";dur=") for part in read.split(", "))}
    assert 0 < parts["db"] < parts["total"]
    # Times would tell what is private from what is not there.
    missing = door.send("GET", "/api/v1/projects/acme/no", grace).headers["server-timing"]
    assert missing == "db, store, render, total"


def test_refusals_say_how_many_calls_are_left(door, world, grace):
    world.forge.settings = replace(world.forge.settings, rates=RateLimits(anonymous=1))

    first, second = door.send("GET", OPEN), door.send("GET", OPEN)

    assert first.headers["ratelimit-policy"] == '"calls";q=1;w=60'
    assert second.status_code == 429
    assert second.headers["ratelimit"].startswith('"calls";r=0;t=')
    assert int(second.headers["retry-after"]) > 0
    assert second.json()["code"] == "rate.limited"


def test_a_read_answers_with_the_fields_it_was_asked_for(door, grace):
    one = door.send("GET", f"{OPEN}?fields=handle,position", grace)
    many = door.send("GET", "/api/v1/projects?fields=handle&limit=1", grace)
    deep = door.send(
        "GET", f"{OPEN}/tree/HEAD?fields=path,project.handle,entries.name,entries.last.by", grace
    )

    assert sorted(one.json()) == ["handle", "position"]
    assert one.headers["etag"] != door.send("GET", OPEN, grace).headers["etag"]
    assert many.json()["next"] and [sorted(item) for item in many.json()["items"]] == [["handle"]]
    assert "fields=handle" in many.headers["link"]
    assert sorted(deep.json()) == ["entries", "path", "project"]
    assert deep.json()["project"] == {"handle": "open"}
    assert deep.json()["entries"][0] == {"name": "src", "last": {"by": "grace"}}


@pytest.mark.parametrize("fields", ["nothing", "handle,handle.more", "url.x", ",", "items"])
def test_a_field_there_is_none_of_is_named(door, grace, fields):
    refused = door.send("GET", f"/api/v1/projects?fields={fields}", grace)

    assert (refused.status_code, refused.json()["code"]) == (422, "input.validation")
    wrong = fields.rpartition(",")[2] or "nothing"
    assert wrong in refused.json()["detail"]


def test_strangers_pay_for_what_is_expensive_and_members_do_not(door, world, grace):
    world.forge.settings = replace(world.forge.settings, rates=RateLimits(anonymous_cost=25))
    diff, raw = f"{OPEN}/landings/1/diff", "/acme/open/raw/HEAD/README.md"

    assert [door.send("GET", diff).status_code for _ in range(3)] == [200, 200, 429]
    assert door.send("GET", raw).status_code == 200
    assert [door.send("GET", raw).status_code for _ in range(2)] == [200, 429]
    refused = door.send("GET", diff)
    assert refused.json()["code"] == "rate.limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert door.send("GET", OPEN).status_code == 200
    assert {door.send("GET", diff, grace).status_code for _ in range(5)} == {200}
