"""A streamed chat answer, read line by line (server-sent events with OpenAI chunks)."""

from __future__ import annotations

import json
from typing import Any


class ChatStream:
    """Takes the lines of ``text/event-stream`` and knows how far the answer has come.

    Attributes:
        done: ``[DONE]`` was read: the answer is complete.
        problem: ``type`` of the problem with which the server broke the answer off, or "".
    """

    def __init__(self) -> None:
        self.done = False
        self.problem = ""
        self._event = ""
        self._pieces = 0
        self._counted: int | None = None

    @property
    def tokens(self) -> int:
        """Answer tokens: as the server counts them, else the number of pieces with text."""
        return self._pieces if self._counted is None else self._counted

    def feed(self, line: bytes) -> bool:
        """Take one line; true when it carried text of the answer.

        Raises:
            ValueError: when a line is not what the format allows.
        """
        line = line.rstrip(b"\r\n")
        if not line:
            self._event = ""
        elif line.startswith(b"event:"):
            self._event = line[6:].strip().decode()
        elif line.startswith(b"data:"):
            return self._data(line[5:].strip())
        return False

    def _data(self, data: bytes) -> bool:
        if data == b"[DONE]":
            self.done = True
            return False
        document = json.loads(data)
        if self._event == "error":
            self.problem = str(document.get("type", "error"))
            return False
        if self._event:
            return False
        return self._chunk(document)

    def _chunk(self, chunk: dict[str, Any]) -> bool:
        usage = chunk.get("usage") or {}
        if "completion_tokens" in usage:
            self._counted = int(usage["completion_tokens"])
        choices = chunk.get("choices") or [{}]
        text = (choices[0].get("delta") or {}).get("content")
        self._pieces += bool(text)
        return bool(text)
