"""DATABASE_URL: which databases a service can use, and what is wrong with a URL that names none of them."""

from urllib.parse import parse_qsl, urlsplit

_SCHEMES = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})


def checked_database_url(written: str) -> str:
    """Return the URL with the driver's name in it.

    Raises ValueError with a clause that says what the URL must be; never with the URL, which may hold a password.
    """
    try:
        parts = urlsplit(written)
        scheme = _SCHEMES.get(parts.scheme)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        reachable = parts.port != 0
    except ValueError:
        raise ValueError("is not a URL") from None
    if scheme is None or not written.startswith(f"{parts.scheme}://"):
        raise ValueError("must begin with postgresql:// or sqlite+aiosqlite:///")
    if scheme.startswith("sqlite"):
        if parts.netloc or parts.path.strip("/") in {"", ":memory:"}:
            raise ValueError("must name a file, as in sqlite+aiosqlite:////path/to/file.db")
    elif not (parts.username and reachable and parts.path.strip("/")) or "/" in parts.path[1:]:
        # Without a user or a database, the driver would take those of the operating system's user.
        raise ValueError("must name a user and a database, as in postgresql://user@host/database")
    elif options.keys() - {"sslmode"} or options.get("sslmode", "prefer") not in _SSL_MODES:
        raise ValueError("can have one parameter, sslmode, with a value that PostgreSQL knows")
    return scheme + written[len(parts.scheme) :]
