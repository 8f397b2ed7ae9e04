"""A workspace: a folder with a working tree and, in `.mic/`, what it stands on.

    .mic/config          TOML: the project, where it is
    .mic/index           position and manifest of the base, stat cache (`mic.index`)
    .mic/contents.db     contents of the base and of what landed from here (`mic.contents`)
    .mic/session.json    the open session; absent when there is none
    .mic/git             git repository of remotes; absent before the first fetch (`mic.remotes`)
    .mic/lock            held while a command changes any of these

Status and diffs need nothing else: no network and no server.
"""

import os

from mic.index import Index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from mic.contents import Contents
    from mic.scan import Change, Scan

FOLDER = ".mic"


class Workspace:
    """An existing workspace. `root` is its folder."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._index: Index | None = None
        self._settings: dict[str, Any] | None = None
        self._lock: int | None = None

    @classmethod
    def above(cls, folder: str) -> "Workspace | None":
        """The workspace that a folder is in, or None."""
        while True:
            if os.path.isfile(os.path.join(folder, FOLDER, "index")):
                return cls(folder)
            parent = os.path.dirname(folder)
            if parent == folder:
                return None
            folder = parent

    @classmethod
    def create(cls, root: str, settings: "dict[str, Any]", index: Index) -> "Workspace":
        """Make a folder a workspace that stands on this index."""
        from pathlib import Path

        from mic import config

        made = cls(root)
        os.makedirs(made.path(), exist_ok=True)
        config.write(Path(made.path("config")), settings)
        index.save(made.path("index"))
        return made

    def path(self, *names: str) -> str:
        """A path in `.mic`."""
        return os.path.join(self.root, FOLDER, *names)

    def file(self, path: str) -> str:
        """Where a path of the tree is on disk."""
        return os.path.join(self.root, path)

    @property
    def index(self) -> Index:
        """What the workspace stands on."""
        if self._index is None:
            try:
                self._index = Index.load(self.path("index"))
            except ValueError as problem:
                from mic.errors import DamagedWorkspace

                raise DamagedWorkspace(file=self.path("index"), problem=problem) from None
        return self._index

    @index.setter
    def index(self, index: Index) -> None:
        self._index = index

    def look(self) -> "Scan":
        """Begin to look for changes; `changes` ends it."""
        from mic.scan import Scan

        return Scan(self.root, self.index)

    def changes(self, scan: "Scan | None" = None) -> "list[Change]":
        """What differs from the base, by path. What had to be read is remembered for the next time."""
        found = (scan or self.look()).changes()
        if self.index.changed:
            self.save_index()
        return found

    def save_index(self) -> None:
        """Write the index, unless another command wrote it meanwhile; a folder nobody may write to only
        costs the next command time.
        """
        try:
            if self.index.is_from(self.path("index")):
                self.index.save(self.path("index"))
        except PermissionError:
            pass
        except OSError as error:
            if error.errno != 30:  # EROFS
                raise

    @property
    def session(self) -> "dict[str, Any] | None":
        """The open session as it was last heard of, or None."""
        try:
            with open(self.path("session.json"), encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            return None
        import json

        try:
            kept: dict[str, Any] = json.loads(text)
        except ValueError as problem:
            from mic.errors import DamagedWorkspace

            raise DamagedWorkspace(file=self.path("session.json"), problem=problem) from None
        return kept

    def require_session(self) -> "dict[str, Any]":
        """The open session; NoSession when there is none."""
        session = self.session
        if session is None:
            from mic.errors import NoSession

            raise NoSession
        return session

    def keep_session(self, session: "dict[str, Any]") -> None:
        """Write the open session down."""
        import json

        draft = self.path(f"session.json.{os.getpid()}")
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(session, file, indent=2, ensure_ascii=False)
        os.replace(draft, self.path("session.json"))

    def close_session(self) -> None:
        """Forget the session; it ended."""
        if os.path.lexists(self.path("session.json")):
            os.unlink(self.path("session.json"))

    @property
    def settings(self) -> "dict[str, Any]":
        """The workspace's own settings."""
        if self._settings is None:
            from pathlib import Path

            from mic import config

            self._settings = config.read(Path(self.path("config")))
        return self._settings

    def contents(self) -> "Contents":
        """The contents kept here."""
        from mic.contents import Contents

        return Contents(self.path())

    def __enter__(self) -> "Workspace":
        """Hold the workspace for changing it; Busy when another command does."""
        import fcntl

        self._lock = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            from mic.errors import Busy

            raise Busy from None
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
