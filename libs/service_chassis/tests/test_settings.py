import pytest

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
