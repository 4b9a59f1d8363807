"""What the screens remember: read again, never in the way when damaged or unwritable."""

from pathlib import Path

import pytest

from cockpit.remembered import Remembered, Value


def remember(path: Path, value: Value) -> None:
    """Let a cockpit remember a value, and end."""
    remembered = Remembered(path)
    remembered.set("what", value)
    remembered.flush()


@pytest.mark.parametrize("value", ["nord", 3, 0.5, True])
def test_a_value_is_there_the_next_time(value, tmp_path):
    path = tmp_path / "state" / "screens.json"
    remember(path, value)
    assert Remembered(path).get("what", type(value)()) == value


def test_a_value_of_another_kind_is_not_taken(tmp_path):
    path = tmp_path / "screens.json"
    remember(path, "yes")
    assert Remembered(path).get("what", False) is False
    remember(path, True)
    assert Remembered(path).get("what", 7) == 7


@pytest.mark.parametrize("content", [b"", b"[", b"[1]", b'{"a": {}}', b"\xff", b"[" * 100_000, None])
def test_a_damaged_file_is_begun_anew(content, tmp_path):
    path = tmp_path / "screens.json"
    path.mkdir() if content is None else path.write_bytes(content)
    remembered = Remembered(path)
    assert remembered.get("theme", "usual") == "usual"
    remembered.set("theme", "nord")
    assert remembered.get("theme", "usual") == "nord"
    remembered.flush()
    assert Remembered(path).get("theme", "usual") == ("usual" if content is None else "nord")


def test_what_cannot_be_written_is_remembered_while_it_runs(tmp_path):
    (tmp_path / "file").write_text("")
    remembered = Remembered(tmp_path / "file" / "screens.json")
    remembered.set("theme", "nord")
    assert remembered.get("theme", "usual") == "nord"


def test_the_newest_of_many_values_is_kept(tmp_path):
    path = tmp_path / "screens.json"
    remembered = Remembered(path)
    for number in range(200):
        remembered.set("what", number)
    remembered.flush()
    assert Remembered(path).get("what", -1) == 199
