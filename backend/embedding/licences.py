"""Licences: which one a project is under, told by the words of its LICENSE file.

The names are SPDX's. Only what is sure is named: a file that is none of the well-known texts is
"other", and a project without such a file has none.
"""

import re
import threading
from collections import OrderedDict

from backend.core.context import Actor, Forge
from backend.core.errors import NotFound
from backend.core.operations import invoke
from backend.projects.schemas import EntryType, FilePage, TreePage
from backend.projects.tree import get_file, get_tree

OTHER = "other"
REMEMBERED = 10_000
FILE = re.compile(r"(un)?licen[cs]e([-.].*)?|copying([-.].*)?", re.IGNORECASE)
NAMED = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+-]+)")

TEXTS = (
    ("AGPL-3.0", "gnu affero general public license version 3"),
    ("LGPL-3.0", "gnu lesser general public license version 3"),
    ("LGPL-2.1", "gnu lesser general public license version 2.1"),
    ("GPL-3.0", "gnu general public license version 3"),
    ("GPL-2.0", "gnu general public license version 2"),
    ("Apache-2.0", "apache license version 2.0"),
    ("MPL-2.0", "mozilla public license version 2.0"),
    ("EPL-2.0", "eclipse public license - v 2.0"),
    ("EUPL-1.2", "european union public licence v. 1.2"),
    ("Unlicense", "this is free and unencumbered software released into the public domain"),
    ("CC0-1.0", "cc0 1.0 universal"),
    ("0BSD", "zero-clause bsd"),
    ("BSL-1.0", "boost software license - version 1.0"),
    ("Zlib", "altered source versions must be plainly marked as such"),
    (
        "ISC",
        "permission to use, copy, modify, and/or distribute this software for any purpose",
    ),
    ("BSD-3-Clause", "neither the name of"),
    ("BSD-2-Clause", "redistributions in binary form must reproduce the above copyright notice"),
    ("MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"),
)
"""Words that only this licence's text begins with or has, the more special first."""


def licence_of(forge: Forge, actor: Actor, organization: str, project: str) -> str:
    """The SPDX name of a project's licence, "other", or nothing; NotFound when there is no such project."""
    where = {"organization": organization, "project": project}
    page = invoke(forge, actor, get_tree, where)
    assert isinstance(page, TreePage)
    found = [e for e in page.entries if e.type is EntryType.FILE and FILE.fullmatch(e.name)]
    if not found:
        return ""
    chosen = min(found, key=lambda entry: (len(entry.name), entry.name))
    known = forge.part(_Known, _Known)
    name = known.of(chosen.id)
    if name is None:
        name = OTHER
        try:
            file = invoke(forge, actor, get_file, {**where, "path": chosen.path})
            assert isinstance(file, FilePage)
            name = named(file.text or "")
        except NotFound:
            return ""
        known.learn(chosen.id, name)
    return name


def named(text: str) -> str:
    """The SPDX name of a licence's text, or "other"."""
    if said := NAMED.search(text):
        return said[1]
    plain = re.sub(r"[\s,*]+", " ", text.lower()).replace(" as published", "")
    for name, words in TEXTS:
        if words.replace(",", "") in plain.replace(",", ""):
            return name
    return OTHER


class _Known:
    """Names by the id of the file: a text has one licence for ever."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, str] = OrderedDict()
        self._guard = threading.Lock()

    def of(self, id: str) -> str | None:
        with self._guard:
            return self._names.get(id)

    def learn(self, id: str, name: str) -> None:
        with self._guard:
            self._names[id] = name
            if len(self._names) > REMEMBERED:
                self._names.popitem(last=False)
