"""The real supervisor over processes as small as they can be, for test_serve.

`worker` obeys a file in the data folder: "die" ends it each time, "deaf" makes it ignore SIGTERM.
"""

import http.server
import signal
import socket
import sys
from pathlib import Path

from backend.core.config import Settings
from backend.doors import manage, serve

HERE = (sys.executable, "-m", "tests.backend.doors.serve_process")


class Ready(http.server.BaseHTTPRequestHandler):
    """Answers that it is ready."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def wish(settings: Settings) -> str:
    path = Path(settings.data, "wish")
    return path.read_text() if path.exists() else ""


def work(settings: Settings) -> None:
    if wish(settings) == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(settings.data / "workers", "a") as file:
        file.write("started\n")
    if wish(settings) == "die":
        sys.exit(7)
    while True:
        signal.pause()


def main() -> int:
    settings = Settings.from_environ()
    name = sys.argv[-1]
    if name == "serve":
        try:
            return serve.run(settings, HERE)
        except serve.CannotServe as refusal:
            print(refusal.sentence, file=sys.stderr)
            return 1
    manage._follow(int(sys.argv[2]))
    if name == "prepare":
        print("http://localhost/first")
    elif name == "web":
        http.server.HTTPServer((settings.bind, settings.port), Ready).serve_forever()
    elif name == "grpc":
        with socket.create_server((settings.bind, settings.grpc_port)):
            signal.pause()
    elif name == "worker":
        work(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
