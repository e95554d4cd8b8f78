"""The configuration is found in a fixed order, and a planted one is not used."""

import os
from pathlib import Path

import pytest

from config import locate as module
from config.errors import ConfigError
from config.locate import locate

UID = os.getuid()


@pytest.fixture(autouse=True)
def system_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let no configuration of the machine that runs the tests count."""
    monkeypatch.setattr(module, "SYSTEM_FOLDER", tmp_path / "etc")
    return tmp_path / "etc"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def put(folder: Path, mode: int = 0o644) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tenken.toml"
    path.write_text("", encoding="utf-8")
    path.chmod(mode)
    return path


def test_the_places_are_asked_in_the_order_that_is_documented(
    tmp_path: Path, here: Path, system_folder: Path
) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
    local = put(here)
    assert locate(None, environ, here, UID) == local
    system = put(system_folder)
    assert locate(None, environ, here, UID) == system
    home = put(tmp_path / "home" / ".config" / "tenken")
    assert locate(None, environ, here, UID) == system
    assert locate(None, {"HOME": environ["HOME"]}, here, UID) == home
    assert locate(None, environ | {"XDG_CONFIG_HOME": "relative"}, here, UID) == home
    user = put(tmp_path / "xdg" / "tenken")
    assert locate(None, environ, here, UID) == user
    named = put(tmp_path / "named")
    assert locate(None, environ | {"TENKEN_CONFIG": str(named)}, here, UID) == named
    assert locate(local, environ | {"TENKEN_CONFIG": str(named)}, here, UID) == local


def test_a_folder_that_is_named_stands_for_the_file_in_it(tmp_path: Path, here: Path) -> None:
    path = put(tmp_path / "site")
    assert locate(tmp_path / "site", {}, here, UID) == path
    assert locate(Path("../site"), {}, here, UID).samefile(path)


@pytest.mark.parametrize("environ", [{}, {"TENKEN_CONFIG": "gone.toml"}])
def test_a_name_that_leads_nowhere_is_an_error_and_nothing_else_is_tried(
    here: Path, environ: dict[str, str]
) -> None:
    put(here)
    explicit = None if environ else Path("gone.toml")
    with pytest.raises(ConfigError, match=r"gone\.toml, and there is no such file"):
        locate(explicit, environ, here, UID)


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_here_that_others_can_write_is_not_used(here: Path, mode: int) -> None:
    put(here, mode)
    with pytest.raises(ConfigError, match=r"not used, because others can write tenken\.toml"):
        locate(None, {}, here, UID)


def test_a_file_here_of_somebody_else_is_not_used(here: Path) -> None:
    put(here)
    with pytest.raises(ConfigError, match=r"not used, because tenken\.toml belongs to somebody else"):
        locate(None, {}, here, UID + 1)


@pytest.mark.parametrize("name", ["conf.d", "conf.d/more.toml"])
def test_a_sound_file_here_with_parts_that_others_can_write_is_not_used(here: Path, name: str) -> None:
    """Whoever can write into conf.d writes the configuration."""
    put(here)
    (here / "conf.d").mkdir(mode=0o755)
    (here / "conf.d" / "more.toml").write_text("", encoding="utf-8")
    (here / "conf.d" / "more.toml").chmod(0o644)
    assert locate(None, {}, here, UID)
    (here / name).chmod(0o777)
    with pytest.raises(ConfigError, match=f"others can write {Path(name).name}"):
        locate(None, {}, here, UID)


def test_the_error_lists_every_place_and_what_is_wrong_with_it(
    tmp_path: Path, here: Path, system_folder: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        locate(None, {"HOME": str(tmp_path)}, here, UID)
    assert str(caught.value).splitlines()[1:] == [
        f"  {tmp_path}/.config/tenken/tenken.toml: not there",
        f"  {system_folder}/tenken.toml: not there",
        f"  {here}/tenken.toml: not there",
    ]
