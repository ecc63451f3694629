"""Sealing: a service's private keys lie in its database under a key-encryption key, 32 bytes in a file of their own.

While that key is being changed, the file holds the new one and, after it, the old: the first seals, and both open.
"""

import contextlib
import os
import secrets
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES = 32
_NONCE_BYTES = 12

_log = structlog.get_logger()


class KeysUnusable(Exception):  # noqa: N818 -- a state of things that a person has to look at, said in one sentence
    """The keys in the database and the key-encryption key do not fit together, or one of them cannot be had."""


class KeyEncryptionKey:
    """Seals and opens private keys: AES-256-GCM under a random nonce, bound to a label. [NIST SP 800-38D]

    Whoever seals something new while others may be changing the key reads the file inside the very block of
    `Database.writing(exclusive=…)` in which it is stored.
    """

    def __init__(self, key: bytes, *older: bytes) -> None:
        """`older` keys open what they sealed, and seal nothing any more."""
        self._ciphers = [AESGCM(each) for each in (key, *older)]

    @classmethod
    def read(cls, file: Path) -> "KeyEncryptionKey":
        """Read the key from its file. Raises KeysUnusable, with one sentence that says what to do."""
        try:
            key = file.read_bytes()
            mode = file.stat().st_mode
        except FileNotFoundError:
            raise KeysUnusable(
                f"The database holds private keys, but the file that opens them, {file}, is not there: "
                "put it back, or start with an empty database."
            ) from None
        except OSError as error:
            raise KeysUnusable(f"The key-encryption key in {file} cannot be read: {error.strerror}.") from None
        if len(key) not in {_KEY_BYTES, 2 * _KEY_BYTES}:
            raise KeysUnusable(f"The key-encryption key in {file} has {len(key)} bytes and not {_KEY_BYTES}.")
        if mode & 0o077:
            # Not a refusal: where a secret is mounted by an orchestrator, its mode is not ours to choose.
            _log.warning("key_encryption_key_is_readable_by_others", file=str(file), mode=oct(mode & 0o777))
        return cls(*(key[at : at + _KEY_BYTES] for at in range(0, len(key), _KEY_BYTES)))

    @classmethod
    def begin_change(cls, file: Path) -> "KeyEncryptionKey":
        """Put a new key before the one in the file, unless a change has begun already, and read both.

        Raises KeysUnusable. From here to `end_change` the file opens whatever either key has sealed.
        """
        cls.read(file)
        key = file.read_bytes()
        if len(key) == _KEY_BYTES:
            _replace(file, secrets.token_bytes(_KEY_BYTES) + key)
        return cls.read(file)

    @classmethod
    def end_change(cls, file: Path) -> None:
        """Leave the new key alone in the file. Raises KeysUnusable."""
        cls.read(file)
        key = file.read_bytes()
        if len(key) > _KEY_BYTES:
            _replace(file, key[:_KEY_BYTES])

    @classmethod
    def make_or_read(cls, file: Path) -> "KeyEncryptionKey":
        """Make the file when there is none, then read it: of several processes, one makes it. Raises KeysUnusable."""
        if not file.exists():
            try:
                _make(file)
            except OSError as error:
                raise KeysUnusable(f"The key-encryption key cannot be made in {file}: {error.strerror}.") from None
        return cls.read(file)

    def seal(self, secret: bytes, *, label: str) -> bytes:
        """Return the secret in a form that only this key opens, and only under the same label."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, secret, label.encode())

    def open(self, sealed: bytes, *, label: str) -> bytes:
        """Return the secret. Raises KeysUnusable when it was sealed by another key, under another label, or changed."""
        for cipher in self._ciphers:
            with contextlib.suppress(InvalidTag, ValueError):
                return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], label.encode())
        raise KeysUnusable(
            "The key-encryption key does not open the private keys in the database: one of the two is from "
            "another installation or another backup."
        )


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        _write(unfinished, secrets.token_bytes(_KEY_BYTES), os.O_EXCL)
        try:
            # A link appears whole or not at all, and never replaces what another process has made meanwhile.
            os.link(unfinished, file)
        except FileExistsError:
            return
        _log.info("key_encryption_key_made", file=str(file))
    finally:
        unfinished.unlink(missing_ok=True)
    _keep_names(file.parent)


def _replace(file: Path, keys: bytes) -> None:
    # One name for every attempt: what one that was killed has left behind is written over by the next.
    unfinished = file.with_name(f".{file.name}.changing")
    try:
        _write(unfinished, keys, os.O_TRUNC)
        unfinished.replace(file)
        _keep_names(file.parent)
    except OSError as error:
        raise KeysUnusable(f"The key-encryption key in {file} cannot be changed: {error.strerror}.") from None


def _write(file: Path, content: bytes, how: int) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | how, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _keep_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # losing a name in a power cut would lose every key sealed under what it named
    finally:
        os.close(descriptor)
