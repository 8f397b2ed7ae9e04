"""Both doors of a forge in one process, for test_memory: `python -m tests.backend.doors.door_process PORT`.

The environment of the forge and its time come as JSON on standard input; the gRPC port goes out.
"""

import asyncio
import json
import sys
from datetime import datetime

from granian.constants import Interfaces
from granian.server.embed import Server

from backend.core.config import Settings
from backend.core.context import Forge
from backend.doors import rpc
from backend.doors.routes import own_app


def main() -> None:
    wanted = json.load(sys.stdin)
    now = datetime.fromisoformat(wanted["now"])
    forge = Forge.open(Settings.from_environ(wanted["environ"]), clock=lambda: now)
    _, port = rpc.start_grpc(forge, "127.0.0.1:0")
    print(port, flush=True)
    web = Server(own_app(forge), "127.0.0.1", int(sys.argv[1]), interface=Interfaces.ASGINL)
    asyncio.run(web.serve())


if __name__ == "__main__":
    main()
