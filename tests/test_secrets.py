"""No secret, and no trace of the machine it was written on, is in the tree."""

import re
from pathlib import Path

SECRETS = {
    "an Alpaca key": re.compile(rb"\b[PA]K[A-Z0-9]{18}\b"),
    "an AWS key": re.compile(rb"\bAKIA[0-9A-Z]{16}\b"),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a GitHub token": re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    "a bearer token": re.compile(rb"(?i)authorization: bearer [a-z0-9._-]{20,}"),
    "a password": re.compile(rb"(?i)\b(password|passwd|secret|api_?key)\s*=\s*['\"][^'\"{$<]{8,}['\"]"),
    "a home folder": re.compile(rb"/(?:home|Users)/[a-z][a-z0-9_-]+/"),
}


def test_no_secret_is_in_the_tree(root: Path, tracked: list[Path]) -> None:
    found = []
    for path in tracked:
        if root / path == Path(__file__):
            continue
        content = (root / path).read_bytes()
        found += [f"{path}: {what}" for what, pattern in SECRETS.items() if pattern.search(content)]
    assert not found


def test_the_patterns_find_what_they_are_for() -> None:
    assert SECRETS["a private key"].search(b"-----BEGIN " + b"RSA PRIVATE KEY-----")
    assert SECRETS["an Alpaca key"].search(b"key PK" + b"A" * 18)
    assert SECRETS["a password"].search(b"password = 'correct horse'")
