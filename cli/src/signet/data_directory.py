"""Where an embedded stack keeps what must survive it: databases, keys, key sets, logs."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from signet.failure import Failure


class DataInUseError(Failure):
    """Another stack works on this directory."""


class DataDirectory:
    """One directory for one stack. As a context manager it keeps every other stack out of it.

    The lock belongs to the open file, `lock`, which the stack's processes inherit: should the stack be killed, the
    directory is free again only when the last of them has ended.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.lock: int | None = None

    def __enter__(self) -> Self:
        """Make the directory, readable by its owner alone, and lock it. Raises DataInUseError, OSError."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise DataInUseError(
                f"{self.root} is in use by another `signet up` (process {holder}). "
                "End that one, or choose another directory with --data."
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self.lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up this process's hold on the directory."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def of(self, service: str) -> Path:
        """Return the directory of one service's data."""
        return self.root / service

    def database(self, service: str) -> Path:
        """Return the file of one service's database."""
        return self.of(service) / f"{service}.db"

    def log(self, service: str) -> Path:
        """Return the file that one process's output goes to: that of the latest run, readable text, JSON lines."""
        return self.root / "logs" / f"{service}.log"

    def key_encryption_key(self, service: str) -> Path:
        """Return the file with a service's key-encryption key: apart from the database that it protects."""
        return self.root / f"{service}-secrets" / "key-encryption-key"

    def prepare(self, service: str) -> None:
        """Make the directories one service writes to."""
        directories = [self.log(service).parent]
        if service != "gateway":
            directories.append(self.of(service))
        if service in {"auth", "orders"}:
            directories.append(self.key_encryption_key(service).parent)
        for directory in directories:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
