"""What seals a service's private keys: a file that is made once, and what it opens."""

import asyncio
import stat
import sys
from pathlib import Path

import pytest

from service_chassis.sealing import KeyEncryptionKey, KeysUnusable, _make


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    """Who finds, when its own is ready, that another process has made the file meanwhile, leaves that one there."""
    file = tmp_path / "kek"
    file.write_bytes(b"another process was first, by bits")
    _make(file)
    assert file.read_bytes() == b"another process was first, by bits"
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_sealed_opens_under_the_same_key_and_label_alone(tmp_path: Path) -> None:
    """Another key, another label, and a changed, cut or empty thing are refused in one sentence."""
    key = KeyEncryptionKey.make_or_read(tmp_path / "kek")
    sealed = key.seal(b"a secret", label="its name")
    assert b"a secret" not in sealed
    assert KeyEncryptionKey.read(tmp_path / "kek").open(sealed, label="its name") == b"a secret"
    assert key.seal(b"a secret", label="its name") != sealed
    for other, bad, label in (
        (KeyEncryptionKey(bytes(32)), sealed, "its name"),
        (key, sealed, "another name"),
        (key, sealed[:-1] + bytes([sealed[-1] ^ 1]), "its name"),
        (key, sealed[:-1], "its name"),
        (key, b"", "its name"),
    ):
        with pytest.raises(KeysUnusable, match="does not open the private keys in the database"):
            other.open(bad, label=label)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """It is made with mode 0600, and its folder, where there is none, with 0700."""
    file = tmp_path / "secrets" / "kek"
    KeyEncryptionKey.make_or_read(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wide mode is logged and no refusal, since where an orchestrator mounts the file the mode is not ours."""
    file = tmp_path / "kek"
    sealed = KeyEncryptionKey.make_or_read(file).seal(b"x", label="")
    assert "readable_by_others" not in capsys.readouterr().out
    file.chmod(0o644)
    assert KeyEncryptionKey.read(file).open(sealed, label="") == b"x"
    assert "key_encryption_key_is_readable_by_others" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    """Reading makes nothing, and says what to do."""
    with pytest.raises(KeysUnusable, match=r"is not there: put it back, or start with an empty database\.$"):
        KeyEncryptionKey.read(tmp_path / "kek")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33)])
def test_a_file_of_another_size_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty or a mangled file is no key."""
    (tmp_path / "kek").write_bytes(content)
    with pytest.raises(KeysUnusable, match=f"has {len(content)} bytes and not 32"):
        KeyEncryptionKey.make_or_read(tmp_path / "kek")


def test_a_place_that_cannot_be_written_or_read_is_said(tmp_path: Path) -> None:
    """The file's name and the reason are in the sentence."""
    with pytest.raises(KeysUnusable, match="cannot be made in /proc/nowhere/kek"):
        KeyEncryptionKey.make_or_read(Path("/proc/nowhere/kek"))
    with pytest.raises(KeysUnusable, match="cannot be read: Is a directory"):
        KeyEncryptionKey.read(tmp_path)


async def test_of_processes_that_start_at_once_one_makes_the_file(tmp_path: Path) -> None:
    """Four processes on an empty folder end up with the same key: what each seals, the file opens."""
    script = (
        "import sys; from pathlib import Path; from service_chassis.sealing import KeyEncryptionKey; "
        "key = KeyEncryptionKey.make_or_read(Path(sys.argv[1])); print(key.seal(b'same', label='x').hex())"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(tmp_path / "kek"), stdout=asyncio.subprocess.PIPE
        )
        for _ in range(4)
    ]
    said = [(await process.communicate())[0].decode().splitlines()[-1] for process in processes]
    key = KeyEncryptionKey.read(tmp_path / "kek")
    assert [key.open(bytes.fromhex(sealed), label="x") for sealed in said] == [b"same"] * 4
