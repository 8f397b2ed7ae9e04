"""A mail server for one test: speaks SMTP with STARTTLS, and keeps what it is sent.

The edge that tests of mail fake. `answer` is what it says to a recipient instead of yes.
"""

import socketserver
import ssl
import subprocess
import threading
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import certifi


def trusted() -> Path:
    """Authorities that do not know this server."""
    return Path(certifi.where())


class Mailbox:
    """The server and what it got."""

    def __init__(self, folder: Path) -> None:
        self.mails: list[EmailMessage] = []
        self.encrypted = False
        self.offers_tls = True
        self.answer = ""
        self.certificate, key = folder / "mail.pem", folder / "mail.key"
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        command = ["openssl", "req", "-x509", *made, *subject, "-keyout", key, "-out", self.certificate]
        subprocess.run(command, check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self._server = socketserver.ThreadingTCPServer(("", 0), _conversation(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> "Mailbox":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _conversation(box: Mailbox) -> Any:
    class Conversation(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.lines = self.request.makefile("rb")
            self._say("220 here")
            try:
                while line := self.lines.readline():
                    if not self._answer(line.decode().strip()):
                        break
            except (OSError, ValueError):
                pass
            finally:
                self.lines.close()
                self.request.close()

        def _answer(self, line: str) -> bool:
            word = line.split(" ")[0].upper()
            if word == "EHLO":
                offers = ["250-here"] + (["250-STARTTLS"] if box.offers_tls else []) + ["250 8BITMIME"]
                self._say("\r\n".join(offers))
            elif word == "STARTTLS":
                self._say("220 go on")
                self.lines.close()
                self.request = box.context.wrap_socket(self.request, server_side=True)
                self.lines = self.request.makefile("rb")
                box.encrypted = True
            elif word == "RCPT" and box.answer:
                self._say(box.answer)
            elif word == "DATA":
                self._say("354 go on")
                self._take()
                self._say("250 kept")
            else:
                self._say("221 bye" if word == "QUIT" else "250 yes")
            return word != "QUIT"

        def _take(self) -> None:
            lines = iter(self.lines.readline, b".\r\n")
            content = b"".join(line.removeprefix(b".") for line in lines).replace(b"\r\n", b"\n")
            box.mails.append(message_from_bytes(content, policy=default))

        def _say(self, text: str) -> None:
            self.request.sendall(text.encode() + b"\r\n")

    return Conversation
