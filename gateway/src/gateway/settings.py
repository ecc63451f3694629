"""The gateway's settings, read once from the environment; the prefix is `SIGNET_`."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AnyHttpUrl, Field, IPvAnyNetwork

from gateway.client_connection import ConnectionLimits
from gateway.upstreams import UpstreamLimits
from service_chassis.settings import ProcessSettings, Seconds


def _origin(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.path not in {None, "", "/"} or url.query or url.fragment or url.username or url.password:
        raise ValueError("should be an origin: scheme, host and port, and nothing else")
    return url


Origin = Annotated[AnyHttpUrl, AfterValidator(_origin)]
"""A base URL without a path, such as `http://127.0.0.1:8002`."""


def _web_origin(origin: str) -> str:
    url = urlsplit(origin)
    standard = {"http": 80, "https": 443}
    if url.scheme not in standard or f"{url.scheme}://{url.netloc}" != origin or "@" in origin or not url.hostname:
        raise ValueError("should be an origin: scheme, host and port, and nothing else")
    if origin != origin.lower() or url.port == standard[url.scheme]:
        raise ValueError("should be written as browsers do: in lower case, and without the scheme's own port")
    return origin


WebOrigin = Annotated[str, AfterValidator(_web_origin)]
"""From where a page came, as a browser says it in `Origin`, such as `https://app.example`. [RFC 6454 section 6.2]"""

Count = Annotated[int, Field(ge=1)]

_CONNECTION = ConnectionLimits()
_UPSTREAM = UpstreamLimits()


class GatewaySettings(ProcessSettings):
    """Where the door is, what is behind it, and what a request may cost. Durations are seconds."""

    public_url: Origin
    """Where browsers find the door: their `Origin` when a page of ours asks, and what is in the cookies' names."""
    auth_url: Origin
    profile_url: Origin
    orders_url: Origin

    plain_url: Origin | None = None
    """A resource server in plain mode, only for the laboratory."""
    session_twin_url: Origin | None = None
    """The session twin, only for the laboratory."""

    cors_origins: tuple[WebOrigin, ...] = ()
    """Whose pages may call with a token and read the answers, besides our own. Never with credentials."""

    proxies: tuple[IPvAnyNetwork, ...] = ()
    """Where a proxy that ends TLS speaks from: its `X-Forwarded-For` and `X-Forwarded-Proto` are believed, and nobody
    else's."""

    operations_host: str = "127.0.0.1"
    """Where `/healthz`, `/readyz` and `/metrics` are answered: an internal listener, never the public one."""
    operations_port: Annotated[int, Field(ge=1, le=65535)]

    header_bytes: Annotated[int, Field(ge=1024)] = _CONNECTION.head_bytes
    header_seconds: Seconds = _CONNECTION.head_seconds
    client_idle_seconds: Seconds = _CONNECTION.idle_seconds

    body_bytes: Count = _UPSTREAM.body_bytes
    upload_held_bytes: Count = _UPSTREAM.upload_held_bytes
    uploads_held_bytes: Count = _UPSTREAM.uploads_held_bytes
    upload_pause_seconds: Seconds = _UPSTREAM.upload_pause_seconds
    upload_seconds: Seconds = _UPSTREAM.upload_seconds
    download_pause_seconds: Seconds = _UPSTREAM.download_pause_seconds
    exchange_seconds: Seconds = _UPSTREAM.exchange_seconds

    upstream_calls: Count = _UPSTREAM.calls
    upstream_queue_seconds: Seconds = _UPSTREAM.queue_seconds
    upstream_connect_seconds: Seconds = _UPSTREAM.connect_seconds
    upstream_names_seconds: Seconds = _UPSTREAM.names_seconds
    upstream_answer_seconds: Seconds = _UPSTREAM.answer_seconds
    upstream_idle_seconds: Seconds = _UPSTREAM.idle_seconds

    renewal_keep_seconds: Seconds = 10.0
    """How long a browser's refresh token that was used leads to its successor without another question to auth."""

    openapi_seconds: Seconds = 5.0
    """How long a merged OpenAPI document is used before it is put together anew."""

    @property
    def origins(self) -> dict[str, str]:
        """The upstreams' origins by the names that the route table uses."""
        urls = {"auth": self.auth_url, "profile": self.profile_url, "orders": self.orders_url}
        return {name: str(url).rstrip("/") for name, url in urls.items()}

    @property
    def laboratory(self) -> dict[str, str]:
        """The origins of what runs for comparison alone, as far as there is any."""
        urls = {"plain": self.plain_url, "session": self.session_twin_url}
        return {name: str(url).rstrip("/") for name, url in urls.items() if url is not None}

    @property
    def public_origin(self) -> str:
        """The public URL as browsers write an origin. [RFC 6454 section 6.2]"""
        return str(self.public_url).rstrip("/")

    @property
    def connection_limits(self) -> ConnectionLimits:
        """What a client's connection may cost."""
        return ConnectionLimits(
            head_bytes=self.header_bytes,
            head_seconds=self.header_seconds,
            idle_seconds=self.client_idle_seconds,
            unread_seconds=self.download_pause_seconds,
        )

    @property
    def upstream_limits(self) -> UpstreamLimits:
        """What a call to an upstream may cost."""
        return UpstreamLimits(
            calls=self.upstream_calls,
            queue_seconds=self.upstream_queue_seconds,
            connect_seconds=self.upstream_connect_seconds,
            names_seconds=self.upstream_names_seconds,
            answer_seconds=self.upstream_answer_seconds,
            body_bytes=self.body_bytes,
            upload_held_bytes=self.upload_held_bytes,
            uploads_held_bytes=self.uploads_held_bytes,
            upload_pause_seconds=self.upload_pause_seconds,
            upload_seconds=self.upload_seconds,
            download_pause_seconds=self.download_pause_seconds,
            exchange_seconds=self.exchange_seconds,
            idle_seconds=self.upstream_idle_seconds,
        )
