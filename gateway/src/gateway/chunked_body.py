"""A body that comes in chunks, read strictly, from whichever side it comes. [RFC 9112 section 7.1]"""

import re
from enum import Enum, auto

from gateway.header_fields import FIELD_LINE
from service_chassis.problems import Problem

_TRAILER_LINE = re.compile(FIELD_LINE)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})[\t ]*(?:;[\t\x20-\x7e]*)?\r\n")


class _Stage(Enum):
    CHUNK_LINE = auto()
    CHUNK_DATA = auto()
    CHUNK_END = auto()
    TRAILERS = auto()
    ENDED = auto()


_LONGEST_LINES = {_Stage.CHUNK_LINE: 256, _Stage.CHUNK_END: 2}


class ChunkedBody:
    """One body: takes its chunks and gives what is in them; their extensions and the trailers are dropped.

    `trailer_limit` caps the trailers, in bytes. `free_chunks` chunks may be of any size, and there have to be
    `least_chunk` bytes in the body for each further one; with 1 and 1 any number may come.
    """

    __slots__ = (
        "_chunk_bytes",
        "_chunks",
        "_free_chunks",
        "_least_chunk",
        "_left",
        "_pending",
        "_stage",
        "_trailer_bytes",
        "_trailer_limit",
    )

    def __init__(self, trailer_limit: int, *, free_chunks: int = 1, least_chunk: int = 1) -> None:
        self._trailer_limit = trailer_limit
        self._free_chunks = free_chunks
        self._least_chunk = least_chunk
        self._stage = _Stage.CHUNK_LINE
        self._pending = b""
        self._left = self._chunks = self._chunk_bytes = self._trailer_bytes = 0

    @property
    def ended(self) -> bool:
        """The last chunk and the trailers have been read."""
        return self._stage is _Stage.ENDED

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the body's bytes that are in `data`, and what comes after the body's end.

        Nothing is copied but what the chunks hold, once, and nobody behind us has work with how small they are. Raises
        `Problem`: 400 malformed_request, or 431 headers_too_large for the trailers. There is no going on after that.
        """
        if self._pending:
            data, self._pending = self._pending + data, b""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and self._stage is not _Stage.ENDED:
            if self._stage is _Stage.CHUNK_DATA:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                pieces.append(piece)
                if not self._left:
                    self._stage = _Stage.CHUNK_END
            else:
                end = self._line_end(data, at)
                if not end:
                    break
                self._take_line(data, at, end)
                at = end
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._stage is _Stage.ENDED:
            return body, data[at:]
        self._pending = data[at:]
        return body, b""

    def _line_end(self, data: bytes, at: int) -> int:
        """Return where the line that begins at `at` ends, its CRLF included; 0 if it has not ended yet."""
        limit = self._trailer_limit if self._stage is _Stage.TRAILERS else _LONGEST_LINES[self._stage]
        end = data.find(b"\n", at, at + limit)
        if end < 0 and len(data) - at >= limit:
            raise malformed("A line within the chunked body is too long.")
        return end + 1

    def _take_line(self, data: bytes, at: int, end: int) -> None:
        if self._stage is _Stage.CHUNK_LINE:
            self._chunk_line(data, at, end)
        elif self._stage is _Stage.TRAILERS:
            self._trailer(data[at:end])
        elif data[at:end] == b"\r\n":
            self._stage = _Stage.CHUNK_LINE
        else:
            raise malformed("A chunk is longer or shorter than its size says.")

    def _chunk_line(self, data: bytes, at: int, end: int) -> None:
        line = _CHUNK_LINE.fullmatch(data, at, end)
        if line is None:
            raise malformed("A chunk's size is not a hexadecimal number.")
        self._chunks += 1
        if self._chunks > self._free_chunks + self._chunk_bytes // self._least_chunk:
            raise malformed("The body comes in too many chunks that are too small.")
        self._left = int(line[1], 16)
        self._chunk_bytes += self._left
        self._stage = _Stage.CHUNK_DATA if self._left else _Stage.TRAILERS

    def _trailer(self, line: bytes) -> None:
        if line == b"\r\n":
            self._stage = _Stage.ENDED
            return
        self._trailer_bytes += len(line)
        if self._trailer_bytes > self._trailer_limit:
            raise Problem(431, "headers_too_large", f"The trailers exceed {self._trailer_limit} bytes.")
        if not _TRAILER_LINE.fullmatch(line):
            raise malformed("A trailer is not name, colon and value.")


def malformed(detail: str) -> Problem:
    """Return the answer to bytes that are not HTTP/1.1, or could be read in two ways."""
    return Problem(400, "malformed_request", detail)
