"""Where a command runs: its folder, the workspace around it, the forge it talks to."""

import os

from mic.workspace import Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from mic.address import ProjectAddress
    from mic.client import Client


class Here:
    """Made for one command from its flags; everything is looked up when first asked for."""

    def __init__(self, args: "Namespace") -> None:
        self.args = args
        self.folder = os.path.abspath(getattr(args, "folder", None) or os.getcwd())
        self._workspace: Workspace | None = None
        self._client: Client | None = None

    @property
    def json(self) -> bool:
        """Whether answers are for programs."""
        return bool(getattr(self.args, "json", False))

    def workspace_if_any(self) -> Workspace | None:
        """The workspace around this folder, or None."""
        if self._workspace is None:
            self._workspace = Workspace.above(self.folder)
        return self._workspace

    @property
    def workspace(self) -> Workspace:
        """The workspace around this folder; NotAWorkspace when there is none."""
        found = self.workspace_if_any()
        if found is None:
            from mic.errors import NotAWorkspace

            raise NotAWorkspace(folder=self.folder)
        return found

    def in_tree(self, path: str) -> str:
        """A path as typed here, as a path from the workspace's root; Usage when it is outside."""
        whole = os.path.normpath(os.path.join(self.folder, path))
        root = self.workspace.root
        if whole != root and not whole.startswith(os.path.join(root, "")):
            from mic.errors import Usage

            raise Usage(problem=f"{path} is outside of the workspace {root}.")
        return "" if whole == root else os.path.relpath(whole, root)

    @property
    def project(self) -> "ProjectAddress":
        """The project of the workspace."""
        from mic import address, config

        settings = self.workspace.settings
        url = str(config.get(settings, "remote.origin.url") or "")
        return address.clone_url(url)

    def instance(self, given: str = "") -> str:
        """The forge to talk to: as given, by flag, environment, workspace or settings, else the only one
        somebody signed in to.
        """
        from mic import address, config, credentials

        found = given or getattr(self.args, "instance", None) or config.instance_from_environment()
        if not found and self.workspace_if_any():
            found = self.project.instance
        found = found or str(config.get(config.read(config.home() / "config.toml"), "instance") or "")
        if not found and len(signed_in := credentials.instances()) == 1:
            found = signed_in[0]
        return address.instance(found or config.DEFAULT_INSTANCE)

    def client(self, instance: str = "") -> "Client":
        """The client of that forge, with whatever token there is for it."""
        if self._client is None:
            from mic.client import Client

            insecure = bool(getattr(self.args, "insecure", False))
            self._client = Client(self.instance(instance), insecure=insecure)
        return self._client

    def signed_in(self, instance: str = "") -> "Client":
        """The same, for what takes a token; NotSignedIn when there is none."""
        client = self.client(instance)
        client.require_token()
        return client

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
