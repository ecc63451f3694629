r"""What one process has applied of a feed of revocations, on disk: what it knew once, it never forgets.

A directory is shared by all processes of a service. Each writes a file of its own, `revocations-N.journal`, for as
long as it holds the lock of its slot, `revocations-N.lock`; at its start it reads the files of all. A file is lines of
UTF-8:

    {"journal": 1, "issuer": "https://id.example"}
    sid 1800000605 0f3c…            a kind, until when (seconds since the epoch; - is for ever), an id
    kid - 7Qp…
    seq 1800000000000000 complete 89abcdef

The last line vouches for all before it: every revocation up to this seq is here, unless its time was over before.
`complete`, or else `partial`, is whether the feed had been read to its end; the last word is the CRC-32 of all since
the last such line. A row counts wherever it stands. A line that cannot be read, as the last one after a crash,
does not, and no seq after it is believed: what may be missing is asked for again.
"""

import contextlib
import fcntl
import itertools
import json
import logging
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedWriter
from pathlib import Path
from typing import Final, NamedTuple

from token_verification import own_file
from token_verification.compact_jws import json_object
from token_verification.revocation_answer import Kind, Revocation
from token_verification.revocation_set import RevocationSet

_log = logging.getLogger("token_verification")

_VERSION: Final = 1
_KINDS: Final[Mapping[str, Kind]] = {"sid": "sid", "jti": "jti", "kid": "kid"}
_VOUCHING: Final = re.compile(rb"\nseq (?P<seq>\d{1,19}) (?P<how_far>complete|partial) (?P<checksum>[0-9a-f]{8})(?=\n)")
_MOST_SLOTS: Final = 1024
_ROWS_AT_ONCE: Final = 4096
_BYTES_AT_ONCE: Final = 256 * 1024
_LEAST_GROWTH: Final = 1024 * 1024


class Position(NamedTuple):
    """How far a feed has been read."""

    seq: int = 0
    complete: bool = False
    """Whether it had once been read to its end."""


class RevocationJournal:
    """The files of one directory, of which one is this process's to write. Every method blocks."""

    def __init__(self, directory: Path, *, issuer: str) -> None:
        """`issuer`: whose feed this is; what was read from another one is not used."""
        self._directory = directory
        self._issuer = issuer
        self._slot: int | None = None
        self._lock: int | None = None
        self._file: BufferedWriter | None = None
        self._compacted = 0
        self._appended = 0

    def read(self, known: RevocationSet) -> Position:
        """Add what the files of all processes have to `known`, and return how far they got.

        A file that cannot be read is told to the log, and costs no other one its say.
        """
        seq, complete = Position()
        for path in sorted(self._directory.glob("revocations-*.journal")):
            try:
                with own_file.open_to_read(path) as file:
                    position = _read(file.read(), self._issuer, known)
            except (OSError, ValueError) as fault:
                _log.warning("journal of revocations %s not used: %s", path.name, fault)
            else:
                seq, complete = max(seq, position.seq), complete or position.complete
        return Position(seq, complete)

    def write(self, rows: Iterable[Revocation], position: Position, *, known: RevocationSet) -> None:
        """Append what an answer brought, and how far it goes; OSError if that is impossible.

        `known`: all there is, these rows with it. It is written anew when there is no file yet, when the last writing
        failed, and when the file has grown to twice of what it was.
        """
        if self._file is None or self._appended > max(_LEAST_GROWTH, self._compacted):
            self._compact(known, position)
            return
        block = b"".join(_block(rows, position))
        try:
            self._file.write(block)
            self._file.flush()
            os.fdatasync(self._file.fileno())
        except OSError:
            # How much of it is there is not known, so nothing may follow it.
            self._close_file()
            raise
        self._appended += len(block)

    def close(self) -> None:
        """Let go of the file and of its slot."""
        self._close_file()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _compact(self, known: RevocationSet, position: Position) -> None:
        if self._lock is None:
            self._take_slot()
        self._close_file()
        path = self._directory / f"revocations-{self._slot}.journal"
        own_file.replace(path, _whole(self._issuer, known, position))
        self._file = path.open("ab")
        self._compacted = self._file.tell()
        self._appended = 0

    def _take_slot(self) -> None:
        """Take the first slot that no living process holds. The lock is a file of its own, which nobody replaces."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for slot in range(_MOST_SLOTS):
            lock = os.open(self._directory / f"revocations-{slot}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            except OSError:
                os.close(lock)
                raise
            else:
                self._slot, self._lock = slot, lock
                return
        raise OSError(None, f"all {_MOST_SLOTS} slots are taken")

    def _close_file(self) -> None:
        if self._file is not None:
            # What could not be written before will not be now, and was told then.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


def _whole(issuer: str, known: RevocationSet, position: Position) -> Iterator[bytes]:
    yield json.dumps({"journal": _VERSION, "issuer": issuer}).encode("ascii") + b"\n"
    yield from _block(known, position)


def _block(rows: Iterable[Revocation], position: Position) -> Iterator[bytes]:
    """Write rows, some thousand at a time, and the line that vouches for them."""
    checksum = 0
    remaining = iter(rows)
    while some := list(itertools.islice(remaining, _ROWS_AT_ONCE)):
        lines = "".join(f"{kind} {'-' if until is None else until} {id_}\n" for kind, id_, until in some).encode(
            "utf-8"
        )
        checksum = zlib.crc32(lines, checksum)
        yield lines
    vouching = f"seq {position.seq} {'complete' if position.complete else 'partial'} ".encode("ascii")
    yield vouching + f"{zlib.crc32(vouching, checksum):08x}\n".encode("ascii")


def _read(raw: bytes, issuer: str, known: RevocationSet) -> Position:
    head = raw.partition(b"\n")[0]
    members = json_object(head)
    if members.get("journal") != _VERSION:
        raise ValueError("it is of no known version")
    if members.get("issuer") != issuer:
        raise ValueError("it is from another issuer")
    position, believed, start = Position(), True, len(head) + 1
    for vouches in _VOUCHING.finditer(raw, len(head)):
        _add(raw[start : vouches.start() + 1], known)
        believed = believed and zlib.crc32(raw[start : vouches.start("checksum")]) == int(vouches["checksum"], 16)
        if believed:
            position = Position(int(vouches["seq"]), vouches["how_far"] == b"complete")
        start = vouches.end() + 1
    _add(raw[start:], known)
    return position


def _add(lines: bytes, known: RevocationSet) -> None:
    """Add the rows among some lines. What is none was not written by us, so that no checksum vouches for it."""
    start = 0
    while end := lines.rfind(b"\n", start, start + _BYTES_AT_ONCE) + 1:
        for line in lines[start:end].decode("utf-8", "replace").split("\n"):
            kind, _, rest = line.partition(" ")
            until, _, id_ = rest.partition(" ")
            if id_ and kind in _KINDS and (until.isdecimal() or until == "-"):
                known.add(_KINDS[kind], id_, None if until == "-" else int(until))
        start = end
