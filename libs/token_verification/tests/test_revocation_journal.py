"""What a service has applied of a feed, on disk: it never forgets what it knew, whatever happens to its disk."""

import asyncio
import errno
import fcntl
import multiprocessing
import os
import stat
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from libs.token_verification.tests.following import Time, eventually, issuer_at, running

from token_verification import revocation_journal
from token_verification.revocation_answer import Revocation
from token_verification.revocation_journal import Position, RevocationJournal
from token_verification.revocation_set import RevocationSet
from token_verification.testing import FakeIssuer

ISSUER = "https://issuer.test"
UNTIL = 1_800_000_605


@pytest.fixture
def time() -> Time:
    return Time(now=0)


@pytest.fixture
def issuer(time: Time) -> FakeIssuer:
    return issuer_at(time)


class Process:
    """One process with its journal, and what it has applied."""

    def __init__(self, directory: Path, issuer: str = ISSUER) -> None:
        self.journal = RevocationJournal(directory, issuer=issuer)
        self.known = RevocationSet()
        self.position = self.journal.read(self.known)
        self.apply([], self.position)

    def apply(self, ids: Sequence[str], position: Position) -> None:
        rows = [Revocation("sid", each, UNTIL) for each in ids]
        for row in rows:
            self.known.add(*row)
        self.journal.write(rows, position, known=self.known)

    def knows(self, *ids: str) -> bool:
        return {row.id for row in self.known} == set(ids)


Start = Callable[[Path], Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start processes, and stop those that still run at the end."""
    started: list[Process] = []

    def begin(directory: Path) -> Process:
        started.append(Process(directory))
        return started[-1]

    yield begin
    for process in started:
        process.journal.close()


def test_it_is_written_as_documented(start: Start, tmp_path: Path) -> None:
    """The file is what its documentation says, its owner's alone, and nothing lies beside it but the lock."""
    directory = tmp_path / "state" / "revocations"
    process = start(directory)
    process.known.add("kid", "key-1", None)
    process.journal.write([Revocation("kid", "key-1", None)], Position(3), known=process.known)
    process.apply(["ä b", "c"], Position(9, complete=True))
    process.journal.close()
    assert (directory / "revocations-0.journal").read_text() == (
        '{"journal": 1, "issuer": "https://issuer.test"}\n'
        "seq 0 partial b12ce53a\n"
        "kid - key-1\n"
        "seq 3 partial 69b3609f\n"
        "sid 1800000605 ä b\n"
        "sid 1800000605 c\n"
        "seq 9 complete 6627b056\n"
    )
    assert sorted(path.name for path in directory.iterdir()) == ["revocations-0.journal", "revocations-0.lock"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    again = start(directory)
    assert again.position == Position(9, complete=True)
    assert sorted(again.known) == [
        ("kid", "key-1", None),
        ("sid", "c", 1_800_000_605),
        ("sid", "ä b", 1_800_000_605),
    ]


def test_what_another_worker_applied_is_known_too(start: Start, tmp_path: Path) -> None:
    """Each living worker has a file of its own; who starts reads all of them, and takes the first that is free."""
    first, second = start(tmp_path), start(tmp_path)
    first.apply(["a"], Position(5, complete=True))
    second.apply(["b"], Position(4))
    third = start(tmp_path)
    assert third.knows("a", "b")
    assert third.position == Position(5, complete=True)
    assert sorted(path.name for path in tmp_path.glob("*.journal")) == [f"revocations-{n}.journal" for n in range(3)]
    first.journal.close()
    fourth = start(tmp_path)
    assert fourth.knows("a", "b")
    fourth.apply(["d"], Position(6, complete=True))
    assert len(list(tmp_path.glob("*.journal"))) == 3
    for process in (second, third, fourth):
        process.journal.close()
    last = start(tmp_path)
    assert last.knows("a", "b", "d")
    assert last.position == Position(6, complete=True)


def _apply_and_die(directory: Path) -> None:
    process = Process(directory)
    process.apply(["theirs"], Position(8, complete=True))
    os._exit(1)


def test_a_process_that_was_killed_leaves_its_slot_and_what_it_knew(start: Start, tmp_path: Path) -> None:
    """A lock dies with its holder, and what was written is there."""
    here = start(tmp_path)
    dying = multiprocessing.get_context("spawn").Process(target=_apply_and_die, args=(tmp_path,))
    dying.start()
    dying.join()
    assert dying.exitcode == 1
    here.journal.close()
    assert start(tmp_path).position == Position(8, complete=True)
    again = start(tmp_path)
    assert again.knows("theirs")
    assert len(list(tmp_path.glob("*.journal"))) == 2


def _cut(written: bytes) -> bytes:
    return written[:-1]


def _torn_row(written: bytes) -> bytes:
    return written + b"sid 1800000605 tor"


def _torn_then_more(written: bytes) -> bytes:
    return written + b"sid 18000\nsid 1800000605 later\nseq 9 complete 00000000\n"


def _binary(written: bytes) -> bytes:
    vouching = b"seq 9 complete "
    return written + b"\x00\xff\n" + vouching + b"%08x\n" % zlib.crc32(vouching)


def _flipped(written: bytes) -> bytes:
    return written.replace(b"sid 1800000605 b\n", b"sid 1800000605 c\n")


@pytest.mark.parametrize(
    ("damage", "ids", "seq"),
    [
        (lambda written: written, ["a", "b"], 5),
        (_cut, ["a", "b"], 3),
        (_torn_row, ["a", "b"], 5),
        (_torn_then_more, ["a", "b", "later"], 5),
        (_flipped, ["a", "c"], 3),
        (lambda written: written.replace(b" a\n", b" c\n"), ["b", "c"], 0),
        (_binary, ["a", "b"], 5),
        (lambda written: written.replace(b" b\n", b" \xff\n"), ["a", "\ufffd"], 3),
        (lambda written: written.replace(b"seq 5", b"seq 7"), ["a", "b"], 3),
        (lambda written: written.partition(b"seq 5")[0], ["a", "b"], 3),
    ],
    ids=[
        "whole",
        "cut",
        "torn",
        "torn-and-more",
        "flipped",
        "flipped-early",
        "binary",
        "no-utf-8",
        "other-seq",
        "without-its-end",
    ],
)
def test_a_damaged_file_vouches_for_no_more_than_it_has(
    damage: Callable[[bytes], bytes], ids: list[str], seq: int, start: Start, tmp_path: Path
) -> None:
    """Every row that can be read counts; no seq does that stands behind a line that cannot, or is not as written."""
    process = start(tmp_path)
    process.apply(["a"], Position(3, complete=True))
    process.apply(["b"], Position(5, complete=True))
    process.journal.close()
    path = tmp_path / "revocations-0.journal"
    path.write_bytes(damage(path.read_bytes()))
    again = start(tmp_path)
    assert again.knows(*ids)
    assert again.position == Position(seq, complete=seq > 0)
    # It was written anew at this start, so nothing that follows stands behind the damage.
    again.apply(["z"], Position(99, complete=True))
    again.journal.close()
    assert start(tmp_path).position == Position(99, complete=True)


def _foreign(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"https://issuer.test", b"https://other.test!"))


def _of_another_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"journal": 1', b'"journal": 2'))


def _headless(path: Path) -> None:
    path.write_bytes(b"sid 1800000605 evil\n")


def _writable(path: Path) -> None:
    path.chmod(0o666)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (_foreign, "it is from another issuer"),
        (_of_another_version, "it is of no known version"),
        (_headless, "it is not valid JSON in UTF-8"),
        (lambda path: path.write_bytes(b""), "it is not valid JSON in UTF-8"),
        (_writable, "others may write to it (mode 0666)"),
        (_fifo, "it is not a regular file"),
    ],
)
def test_a_file_that_is_not_ours_is_not_used(
    tamper: Callable[[Path], object], why: str, start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another issuer's, one that others may write, or none at all: told to the log, and the rest counts."""
    first, second = start(tmp_path), start(tmp_path)
    first.apply(["a"], Position(3, complete=True))
    second.apply(["b"], Position(2))
    first.journal.close()
    tamper(tmp_path / "revocations-0.journal")
    third = start(tmp_path)
    assert third.knows("b")
    assert third.position == Position(2)
    assert f"journal of revocations revocations-0.journal not used: {why}" in caplog.text
    third.journal.close()
    assert start(tmp_path).knows("b")


def test_a_full_disk_never_vouches_for_what_is_not_there(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed write nothing is appended behind it: the file is written anew, whole, as soon as that works."""
    process = start(tmp_path)
    process.apply(["a"], Position(3, complete=True))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", full)
        patched.setattr(os, "fsync", full)
        for seq, name in ((4, "b"), (5, "c")):
            with pytest.raises(OSError, match="No space left"):
                process.apply([name], Position(seq, complete=True))
        reader = RevocationSet()
        assert RevocationJournal(tmp_path, issuer=ISSUER).read(reader).seq in {3, 4}
    process.apply(["d"], Position(6, complete=True))
    process.journal.close()
    assert len(list(tmp_path.iterdir())) == 2
    again = start(tmp_path)
    assert again.position == Position(6, complete=True)
    assert again.knows("a", "b", "c", "d")


def test_it_does_not_grow_for_ever(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over goes from the disk too: the file is written anew when it has doubled."""
    monkeypatch.setattr(revocation_journal, "_LEAST_GROWTH", 4096)
    process = start(tmp_path)
    path = tmp_path / "revocations-0.journal"
    for number in range(300):
        process.known = RevocationSet()
        process.apply([f"login-{number}"], Position(number + 1, complete=True))
        assert path.stat().st_size < 3 * 4096
    process.journal.close()
    again = start(tmp_path)
    assert again.position == Position(300, complete=True)
    assert "login-299" in again.known.logins


def test_too_many_processes_are_told(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every slot is taken, or locks do not work, writing fails with a sentence, and nothing is left open."""
    monkeypatch.setattr(revocation_journal, "_MOST_SLOTS", 2)
    processes = [start(tmp_path), start(tmp_path)]
    with pytest.raises(OSError, match="all 2 slots are taken"):
        start(tmp_path)
    processes[0].journal.close()
    assert start(tmp_path).position == Position()

    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(OSError, match="No locks available"):
        start(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


async def test_a_restart_during_an_outage_knows_what_was_applied(
    issuer: FakeIssuer, time: Time, tmp_path: Path
) -> None:
    """A service that applied a revocation, and starts again while its issuer is away, still refuses, and serves."""
    ended, goes_on = issuer.token(sid="ended"), issuer.token(sid="open")
    journal, keys = tmp_path / "revocations", tmp_path / "keys.json"
    async with running(issuer, time, journal=journal, stored_at=keys) as service:
        seq = issuer.revoke(sid="ended")
        await eventually(lambda: service.feed.seq == seq)
        assert service.feed.journal_fault is None
    issuer.behaviour = issuer.feed.behaviour = "down"
    async with running(issuer, time, journal=journal, stored_at=keys) as service:
        assert (service.feed.seq, service.feed.complete, service.feed.age) == (seq, True, None)
        assert await service.feed.ready() is None
        assert await service.answer(ended) == "401 login_ended"
        assert await service.answer(goes_on) == "200"
    async with running(issuer, time, journal=journal, stored_at=keys, mode="strict") as service:
        assert await service.answer(ended) == "401 login_ended"
        assert await service.answer(goes_on) == "503 revocations_unavailable"
        # It goes on where it was, and is told at once that nothing has happened since.
        issuer.behaviour = issuer.feed.behaviour = "well"
        await time.advance(6)
        assert await service.answer(goes_on) == "200"
        assert issuer.feed.answered[-1][0] == seq


async def test_a_compromised_key_does_not_come_back_from_disk(issuer: FakeIssuer, time: Time, tmp_path: Path) -> None:
    """The stored key set still has the key; the journal says that it counts no more, and is obeyed by every worker."""
    stolen_id, token = issuer.key_id, issuer.token()
    journal, keys = tmp_path / "revocations", tmp_path / "keys.json"
    async with (
        running(issuer, time, journal=journal, stored_at=keys) as service,
        running(issuer, time, journal=journal, stored_at=keys) as other,
    ):
        assert await service.answer(token) == "200"
        await time.advance(11)
        issuer.rotate()
        assert await service.answer(issuer.token()) == "200"
        issuer.revoke(kid=stolen_id)
        await eventually(lambda: service.feed.seq > 0 and other.feed.seq > 0)
        assert await service.answer(token) == await other.answer(token) == "401 key_revoked"
    assert stolen_id in keys.read_text()
    issuer.behaviour = issuer.feed.behaviour = "down"
    await time.advance(600)
    for _ in range(3):
        async with running(issuer, time, journal=journal, stored_at=keys) as service:
            assert service.key_set.known(stolen_id) is not None
            assert await service.answer(token) == "401 key_revoked"
            assert await service.answer(issuer.token()) == "200"


async def test_a_disk_that_takes_nothing_is_no_outage(
    issuer: FakeIssuer, time: Time, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be written is refused all the same, and said; it is written whole with the next answer that can be.

    Also when nothing is revoked any more: a quiet night before a restart loses nothing.
    """
    blocked = tmp_path / "revocations-0.journal"
    (blocked / "something").mkdir(parents=True)
    ended = issuer.token(sid="ended")
    async with running(issuer, time, journal=tmp_path) as service:
        assert service.feed.journal_fault == "Is a directory"
        seq = issuer.revoke(sid="ended")
        await eventually(lambda: service.feed.seq == seq)
        assert await service.answer(ended) == "401 login_ended"
        assert service.feed.journal_fault == "Is a directory"
        assert "journal of revocations not written: Is a directory" in caplog.text
        (blocked / "something").rmdir()
        blocked.rmdir()
        await time.advance(21)
        await eventually(lambda: service.feed.journal_fault is None)
    issuer.feed.behaviour = "down"
    async with running(issuer, time, journal=tmp_path) as service:
        assert await service.answer(ended) == "401 login_ended"


async def test_no_place_for_a_journal_is_no_outage(issuer: FakeIssuer, time: Time, tmp_path: Path) -> None:
    """Where the directory cannot be made, the service follows in memory, and says so."""
    (tmp_path / "file").touch()
    async with running(issuer, time, journal=tmp_path / "file" / "revocations") as service:
        issuer.revoke(sid="ended")
        await eventually(lambda: service.feed.seq)
        assert await service.answer(issuer.token(sid="ended")) == "401 login_ended"
        assert service.feed.journal_fault == "Not a directory"


async def test_an_end_waits_for_what_is_being_written(
    issuer: FakeIssuer, time: Time, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is stopped in the middle of a write lets that come to its end before it closes the file."""
    writing, disk_is_done = threading.Event(), threading.Event()

    def slow(_: int) -> None:
        writing.set()
        assert disk_is_done.wait(30)

    async with running(issuer, time, journal=tmp_path) as service:
        await eventually(lambda: service.feed.complete)
        monkeypatch.setattr(os, "fdatasync", slow)
        issuer.revoke(sid="ended")
        await eventually(writing.is_set)
        assert (service.feed.seq, service.feed.login_has_ended("ended")) == (0, True)
        leaving = asyncio.create_task(service.feed.__aexit__(None, None, None))
        await asyncio.sleep(0.1)
        assert not leaving.done()
        disk_is_done.set()
        await leaving
    known = RevocationSet()
    RevocationJournal(tmp_path, issuer=issuer.issuer).read(known)
    assert "ended" in known.logins
