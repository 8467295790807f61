"""Logs at the edge: one JSON object a line, through the standard library.

Kernels and engine never log. The server does, here: time, component, level, message, context. A secret
that slipped into a message is blotted out as the line is written, as the last of several nets.
"""

import json
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

_BLOT = "[secret]"


class JsonFormatter(logging.Formatter):
    """One record as one line of JSON.

    Parameters
    ----------
    secrets : sequence of str
        Texts that no line may hold.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, without a line break."""
        content = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "component": record.name,
            "level": record.levelname,
            "message": record.getMessage(),
        }
        if context := getattr(record, "context", None):
            content["context"] = context
        if record.exc_info:
            content["trace"] = self.formatException(record.exc_info)
        line = json.dumps(content, ensure_ascii=False, default=str)
        for secret in self._secrets:
            line = line.replace(secret, _BLOT)
        return line


def configure_logging(*, secrets: Sequence[str] = (), stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream` (default stderr) as JSON; called once, by a main program."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    # Its start and stop are told by our own lines; its errors stay.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
