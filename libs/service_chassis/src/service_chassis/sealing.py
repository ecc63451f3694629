"""Sealing: a service's private keys lie in its database under a key-encryption key, 32 bytes in a file of their own."""

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
    """Seals and opens private keys: AES-256-GCM under a random nonce, bound to a label. [NIST SP 800-38D]"""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

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
        if len(key) != _KEY_BYTES:
            raise KeysUnusable(f"The key-encryption key in {file} has {len(key)} bytes and not {_KEY_BYTES}.")
        if mode & 0o077:
            # Not a refusal: where a secret is mounted by an orchestrator, its mode is not ours to choose.
            _log.warning("key_encryption_key_is_readable_by_others", file=str(file), mode=oct(mode & 0o777))
        return cls(key)

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
        return nonce + self._cipher.encrypt(nonce, secret, label.encode())

    def open(self, sealed: bytes, *, label: str) -> bytes:
        """Return the secret. Raises KeysUnusable when it was sealed by another key, under another label, or changed."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], label.encode())
        except (InvalidTag, ValueError):
            raise KeysUnusable(
                "The key-encryption key does not open the private keys in the database: one of the two is from "
                "another installation or another backup."
            ) from None


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            # A link appears whole or not at all, and never replaces what another process has made meanwhile.
            os.link(unfinished, file)
        except FileExistsError:
            return
        _log.info("key_encryption_key_made", file=str(file))
    finally:
        unfinished.unlink()
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # losing this name in a power cut would lose every key sealed under it
    finally:
        os.close(folder)
