from pathlib import Path

import pytest

from service_chassis.database_url import checked_database_url
from service_chassis.settings import ServiceSettings, read_settings


def test_settings_come_from_the_environment_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read once and cannot be changed afterwards."""
    monkeypatch.setenv("SIGNET_PORT", "8001")
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite:///x.db")
    settings = read_settings(ServiceSettings)
    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.1", 8001, "sqlite+aiosqlite:///x.db")
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]  # that it is frozen is the claim


def test_every_fault_is_a_sentence_with_the_variable_in_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process with bad settings ends with status 2, naming each variable, the missing ones too."""
    monkeypatch.setenv("SIGNET_PORT", "many")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(SystemExit) as ended:
        read_settings(ServiceSettings)
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("SIGNET_PORT: ") for line in lines)
    assert "DATABASE_URL: is not set, and has no default" in lines


GOOD_URLS = {
    "sqlite+aiosqlite:////data/auth.db": "sqlite+aiosqlite:////data/auth.db",
    "sqlite:///relative.db": "sqlite+aiosqlite:///relative.db",
    "postgresql://auth@postgres/auth": "postgresql+asyncpg://auth@postgres/auth",
    "postgresql+asyncpg://auth:s3cret@[::1]:5433/auth": "postgresql+asyncpg://auth:s3cret@[::1]:5433/auth",
    "postgresql://auth@db.example/auth?sslmode=verify-full": "postgresql+asyncpg://auth@db.example/auth?sslmode=verify-full",
}
BAD_URLS = (
    "", "s3cret", "postgres://u:s3cret@h/d", "mysql://u:s3cret@h/d", "postgresql:u:s3cret@h/d", "sqlite+aiosqlite://",
    "sqlite+aiosqlite:///:memory:", "sqlite+aiosqlite://s3cret/x.db", "postgresql://u:s3cret@h", "postgresql://u:s3cret@h/",
    "postgresql://h/d", "postgresql://u:s3cret@h/d/e", "postgresql://u:s3cret@h:0/d", "postgresql://u:s3cret@h:x/d",
    "postgresql://u:s3cret@h/d?sslmode=maybe", "postgresql://u@h/d?password=s3cret", "postgresql://u:s3cret@[h/d",
    "postgresql://u:s3cret@h/d?x",
)  # fmt: skip


@pytest.mark.parametrize(("written", "understood"), GOOD_URLS.items())
def test_a_database_url_names_its_driver_or_gets_it(written: str, understood: str) -> None:
    """As other programs write it, or as SQLAlchemy does; and then it is what it was."""
    assert checked_database_url(written) == understood
    assert checked_database_url(understood) == understood


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_database_url_that_cannot_be_used_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    """Status 2 and one sentence, in which no password stands."""
    monkeypatch.setenv("SIGNET_PORT", "8001")
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SystemExit) as ended:
        read_settings(ServiceSettings)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("DATABASE_URL: ")
    assert said.count("\n") == 1
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "cannot be read: No such file or directory"), ("\n", "is empty")]
)
def test_a_password_file_that_cannot_be_used_ends_the_start(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str | None,
    sentence: str,
) -> None:
    """Before anything is served, and not at the first request."""
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SIGNET_PORT", "8001")
    monkeypatch.setenv("DATABASE_URL", "postgresql://auth@postgres/auth")
    monkeypatch.setenv("DATABASE_PASSWORD_FILE", str(file))
    with pytest.raises(SystemExit) as ended:
        read_settings(ServiceSettings)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_settings_do_not_show_a_password() -> None:
    """Whoever logs them whole logs none."""
    settings = ServiceSettings(port=1, DATABASE_URL="postgresql://auth:s3cret@postgres/auth")
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings)
