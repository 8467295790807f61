"""Saved states with a digest in front: what was damaged on the way is refused, not traded with."""

import hashlib

from .errors import StoreError

_N_DIGEST = 16


def seal(content: bytes) -> bytes:
    """The content with its digest."""
    return hashlib.sha256(content).digest()[:_N_DIGEST] + content


def unseal(sealed: bytes, what: str) -> bytes:
    """The content of `seal`.

    Raises
    ------
    StoreError
        If a bit of it has changed, or it never was sealed; names `what` it is the state of.
    """
    content = bytes(sealed[_N_DIGEST:])
    if seal(content) != bytes(sealed):
        raise StoreError(f"the saved state of {what} cannot be read; it is damaged or of another program")
    return content
