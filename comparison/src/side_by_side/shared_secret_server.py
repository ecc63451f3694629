"""The article's verifier: HS256, with one secret that everybody who verifies must hold.

`python -m side_by_side.shared_secret_server PORT FILE`, where the file has the secret. It is here to be broken: who can
check such a token can make one.
"""

import base64
import hashlib
import hmac
import http.server
import json
import sys
from pathlib import Path


def signed(claims: dict[str, object], secret: bytes) -> str:
    """Return a token that says this, made with the secret."""
    head = _encoded(b'{"alg":"HS256","typ":"JWT"}') + "." + _encoded(json.dumps(claims).encode())
    return f"{head}.{_encoded(hmac.digest(secret, head.encode(), hashlib.sha256))}"


def is_good(token: str, secret: bytes) -> bool:
    """Tell whether a token was made with the secret."""
    head, _, signature = token.rpartition(".")
    return hmac.compare_digest(signature, _encoded(hmac.digest(secret, head.encode(), hashlib.sha256)))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def main() -> None:
    """Answer 200 to whoever has a token made with the secret in the file, and 401 to all others."""
    port, secret = int(sys.argv[1]), Path(sys.argv[2]).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            self.send_response(200 if is_good(token, secret) else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- same reason
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", port), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
