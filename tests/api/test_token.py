"""The bearer token: made once, private, never shown."""

import os
import stat
from pathlib import Path

import pytest

from fluxhero.api.token import Token, config_folder, load_token
from fluxhero.engine.errors import ConfigError

needs_modes = pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"FLUXHERO_CONFIG": str(tmp_path / "config")}


def token_file(environ: dict[str, str]) -> Path:
    return Path(environ["FLUXHERO_CONFIG"]) / "api-token"


def test_first_load_makes_a_token_and_later_loads_find_it(environ: dict[str, str]) -> None:
    first = load_token(environ)
    assert load_token(environ).value == first.value
    assert len(first.value) >= 43
    assert first.source == str(token_file(environ))


def test_two_folders_get_two_tokens(tmp_path: Path) -> None:
    tokens = {load_token({"FLUXHERO_CONFIG": str(tmp_path / name)}).value for name in "ab"}
    assert len(tokens) == 2


@needs_modes
def test_token_file_is_readable_by_its_owner_alone(environ: dict[str, str]) -> None:
    load_token(environ)
    assert stat.S_IMODE(token_file(environ).stat().st_mode) == 0o600


def test_nothing_but_the_token_is_left_in_the_folder(environ: dict[str, str]) -> None:
    load_token(environ)
    assert [path.name for path in token_file(environ).parent.iterdir()] == ["api-token"]


@needs_modes
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_token_file_that_others_can_read_is_refused(environ: dict[str, str], mode: int) -> None:
    secret = load_token(environ).value
    token_file(environ).chmod(mode)
    with pytest.raises(ConfigError, match="others can read") as caught:
        load_token(environ)
    assert secret not in str(caught.value)


@needs_modes
def test_token_file_that_is_a_link_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    load_token(environ)
    token_file(environ).rename(tmp_path / "elsewhere")
    token_file(environ).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="is a link"):
        load_token(environ)


@pytest.mark.parametrize(
    ("content", "match"),
    [("", "has 0 characters"), ("short", "has 5 characters"), ("x" * 513, "must have 32 to 512")],
)
def test_token_file_with_a_bad_length_is_refused(environ: dict[str, str], content: str, match: str) -> None:
    load_token(environ)
    token_file(environ).write_text(content)
    with pytest.raises(ConfigError, match=match):
        load_token(environ)


def test_environment_takes_the_place_of_the_file(environ: dict[str, str]) -> None:
    token = load_token(environ | {"FLUXHERO_TOKEN": "e" * 40})
    assert (token.value, token.source) == ("e" * 40, "FLUXHERO_TOKEN")
    assert not token_file(environ).exists()


@pytest.mark.parametrize("value", ["", "short", "with space " * 4, "ä" * 40, "line\nbreak" * 5])
def test_bad_token_in_the_environment_is_refused_without_showing_it(
    environ: dict[str, str], value: str
) -> None:
    with pytest.raises(ConfigError, match="FLUXHERO_TOKEN") as caught:
        load_token(environ | {"FLUXHERO_TOKEN": value})
    assert not value or value not in str(caught.value)


def test_folder_that_cannot_be_made_is_told_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot use the token file"):
        load_token({"FLUXHERO_CONFIG": str(tmp_path / "file" / "below")})


def test_config_folder_defaults_to_the_systems() -> None:
    assert config_folder({}).name == "fluxhero"


def test_token_matches_itself_only_and_hides_in_its_repr() -> None:
    token = Token("s" * 40, "somewhere")
    assert token.matches(b"s" * 40)
    for wrong in (b"", b"s" * 39, b"s" * 41, b"t" * 40, b"\xff" * 40):
        assert not token.matches(wrong)
    assert "sss" not in repr(token)
