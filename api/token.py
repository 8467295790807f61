"""The API's bearer token: made on the first serve, kept where only its owner can read it.

Who holds the token may run sweeps and read every result, so it is handled like a password: 256 random bits,
a file of mode 0600 that is refused when anybody else can read it, compared in constant time, and never part
of a message, a log line or a ``repr``. ``FLUXHERO_TOKEN`` takes its place where a file is no good (a
container); then no file is made or read.
"""

import contextlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from ..engine.errors import ConfigError

TOKEN_VARIABLE = "FLUXHERO_TOKEN"
CONFIG_VARIABLE = "FLUXHERO_CONFIG"
MIN_LENGTH = 32

_FILE_NAME = "api-token"
_MAX_LENGTH = 512
_RANDOM_BYTES = 32
_ALLOWED = re.compile(r"[!-~]+")  # what an HTTP header carries without quoting


class Token:
    """A secret and where it came from; only `source` is ever shown."""

    def __init__(self, value: str, source: str) -> None:
        self.value = value
        self.source = source

    def matches(self, given: bytes) -> bool:
        """Whether `given` is the token; takes the same time wherever the two differ."""
        return hmac.compare_digest(self.value.encode(), given)

    def __repr__(self) -> str:
        return f"Token(source={self.source!r})"


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Folder of the user's settings and secrets: ``FLUXHERO_CONFIG``, else the system's place for them."""
    if configured := environ.get(CONFIG_VARIABLE):
        return Path(configured).expanduser().resolve()
    from platformdirs import user_config_path

    return user_config_path("fluxhero", appauthor=False)


def load_token(environ: Mapping[str, str] = os.environ) -> Token:
    """The token to serve with: from ``FLUXHERO_TOKEN``, else from its file, which is made when missing.

    Raises
    ------
    ConfigError
        If the token is too short or not plain text, or others can read its file; never shows the token.
    """
    if TOKEN_VARIABLE in environ:
        return Token(_checked(environ[TOKEN_VARIABLE], TOKEN_VARIABLE), TOKEN_VARIABLE)
    path = config_folder(environ) / _FILE_NAME
    try:
        if not os.path.lexists(path):
            _make_file(path)
        text = _read_private(path)
    except OSError as error:
        raise ConfigError(f"cannot use the token file {path}: {error.strerror or error}") from error
    return Token(_checked(text.strip(), str(path)), str(path))


def _make_file(path: Path) -> None:
    """Write a new token, whole or not at all; whoever comes second keeps the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_RANDOM_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link appears whole under its name, and never replaces what another process made meanwhile.
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink()


def _read_private(path: Path) -> str:
    """Content of a file that is ours alone."""
    if path.is_symlink():
        raise ConfigError(f"the token file {path} is a link; put the file itself there")
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"the token file {path} is no plain file; move it away")
        if os.name != "nt" and (status.st_uid != os.getuid() or status.st_mode & 0o077):
            raise ConfigError(
                f"others can read or replace the token file {path} (mode {status.st_mode & 0o777:04o}); "
                "delete it to have a new one made, or make it yours alone with mode 0600"
            )
        content = file.read(_MAX_LENGTH + 2)
    return content.decode("ascii", errors="replace")


def _checked(text: str, source: str) -> str:
    if not MIN_LENGTH <= len(text) <= _MAX_LENGTH:
        raise ConfigError(
            f"the token in {source} has {len(text)} characters, must have {MIN_LENGTH} to {_MAX_LENGTH}"
        )
    if not _ALLOWED.fullmatch(text):
        raise ConfigError(f"the token in {source} must be plain ASCII without spaces")
    return text
