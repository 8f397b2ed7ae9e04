"""Redaction: secrets are taken out of events before they are stored.

Each rule names what it found, so that a reader sees `[redacted:rule]` and knows something
stood there. When a rule itself fails, the event is withheld whole: kind and time stay, the words
do not. A private project may become public, so there is no difference between them.

Rules run over whatever an agent prints. Each begins where its token can begin and nowhere inside
one, so that none of them reads a long text again and again.
"""

import re
from typing import Any

WITHHELD = "[withheld]"

_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("micelio-token", re.compile(r"\bmic_[A-Za-z0-9_-]{20,}")),
    (
        "private-key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
    ),
    ("aws-access-key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("github-token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})")),
    ("gitlab-token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}")),
    ("slack-token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}")),
    ("api-key", re.compile(r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{20,}")),
    ("google-api-key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b")),
    (
        "jwt",
        re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ),
    ("password-in-url", re.compile(r"(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,200}(?=@)")),
    ("bearer", re.compile(r"(?i)(?<=authorization: bearer )[^\s\"']{8,}")),
)


def redact(value: Any) -> Any:
    """The same JSON value with secrets replaced in every text, keys included."""
    if isinstance(value, str):
        for name, pattern in _RULES:
            value = pattern.sub(f"[redacted:{name}]", value)
        return value
    if isinstance(value, dict):
        return {redact(key): redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value
