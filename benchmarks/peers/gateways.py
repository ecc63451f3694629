"""How each gateway is started in front of an upstream, and the upstream itself: nginx with an answer of 200 bytes."""

import sys
from pathlib import Path

from benchmarks.checks import ECHO
from benchmarks.peers.installation import HERE, debian_program, python_program
from benchmarks.servers import HOST, Server, free_port

BODY = b'{"upstream":"' + b"." * 185 + b'"}'
PATH = "/api/profile"

_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  default_type application/json;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {inside}
}}
"""

_UPSTREAM = """\
server {{
    listen 127.0.0.1:{port};
    location = {path} {{ return 200 '{body}'; }}
    location {echo} {{ return 200 "$request_uri"; }}
  }}
"""

_PROXY = """\
upstream behind {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
"""

_CADDY = """\
{{
  admin off
  auto_https off
  persist_config off
}}
http://:{port} {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{upstream}
}}
"""

_TRAEFIK = """\
http:
  routers:
    all: {{rule: "PathPrefix(`/`)", service: behind, entryPoints: [web]}}
  services:
    behind: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:{upstream}"}}]}}}}
"""


def upstream(folder: Path) -> Server:
    """Return the upstream of all gateways."""
    port = free_port()
    return _nginx(folder, port, _UPSTREAM.format(port=port, path=PATH, echo=ECHO, body=BODY.decode("ascii")))


def nginx(folder: Path, behind: int) -> Server:
    """Return nginx with one worker, which keeps its connections to the upstream."""
    port = free_port()
    return _nginx(folder, port, _PROXY.format(port=port, upstream=behind))


def caddy(folder: Path, behind: int) -> Server:
    """Return Caddy."""
    port = free_port()
    file = folder / f"Caddyfile-{port}"
    file.write_text(_CADDY.format(port=port, upstream=behind), "ascii")
    return Server([python_program("caddy"), "run", "--config", file, "--adapter", "caddyfile"], port)


def traefik(folder: Path, behind: int) -> Server:
    """Return Traefik, with a route from a file."""
    port = free_port()
    file = folder / f"traefik-{port}.yml"
    file.write_text(_TRAEFIK.format(upstream=behind), "ascii")
    options = [f"--entrypoints.web.address={HOST}:{port}", f"--providers.file.filename={file}", "--log.level=ERROR",
               "--global.checknewversion=false", "--global.sendanonymoususage=false"]  # fmt: skip
    return Server([python_program("traefik"), *options], port)


def usual_python_gateway(_: Path, behind: int) -> Server:
    """Return the usual Python demo's gateway."""
    port = free_port()
    command: list[str | Path] = [
        python_program("python"),
        "-P",
        HERE / "usual_gateway.py",
        str(port),
        f"http://{HOST}:{behind}",
    ]
    return Server(command, port)


def signet_gateway(_: Path, behind: int) -> Server:
    """Return Signet's gateway as `signet up` runs it, with one upstream in place of three."""
    port = free_port()
    origins = {f"SIGNET_{name}_URL": f"http://{HOST}:{behind}" for name in ("AUTH", "PROFILE", "ORDERS")}
    environment = {
        "SIGNET_HOST": HOST,
        "SIGNET_PORT": str(port),
        "SIGNET_PUBLIC_URL": f"http://{HOST}:{port}",
        "SIGNET_OPERATIONS_PORT": str(free_port()),
    }
    return Server([sys.executable, "-P", "-m", "gateway"], port, environment | origins)


def _nginx(folder: Path, port: int, inside: str) -> Server:
    own = folder / f"nginx-{port}"
    own.mkdir()
    file = own / "nginx.conf"
    file.write_text(_NGINX.format(folder=own, inside=inside), "ascii")
    return Server([debian_program("nginx"), "-c", file, "-p", own, "-e", "stderr"], port)
