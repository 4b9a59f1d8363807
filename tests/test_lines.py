"""Files of lines, read while they grow: nothing twice, nothing torn."""

import tracemalloc

import pytest

from cockpit.lines import LineTail, lines_backwards, whole_lines


def lines_of(tail: LineTail) -> list[bytes]:
    return [line for _, lines in tail.read() for line in lines]


def test_a_torn_line_waits_until_it_is_whole(tmp_path):
    path = tmp_path / "metrics.jsonl"
    tail = LineTail(path)
    assert lines_of(tail) == []
    path.write_bytes(b"one\ntw")
    assert lines_of(tail) == [b"one"]
    assert lines_of(tail) == []
    path.write_bytes(b"one\ntwo\nthree\n")
    assert lines_of(tail) == [b"two", b"three"]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_lines_do_not_depend_on_the_portions_they_are_read_in(tmp_path, size):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"one\n\ntwo\nthree\nfo")
    assert lines_of(LineTail(path, portion_bytes=size)) == [b"one", b"two", b"three"]


def test_a_file_that_was_cut_short_or_replaced_is_read_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"one\ntwo\n")
    tail = LineTail(path)
    assert list(tail.read()) == [(False, [b"one", b"two"])]
    path.write_bytes(b"un\n")
    assert list(tail.read()) == [(True, []), (False, [b"un"])]
    other = tmp_path / "other"
    other.write_bytes(b"uno\ndos\ntres\n")
    other.replace(path)
    assert list(tail.read()) == [(True, []), (False, [b"uno", b"dos", b"tres"])]


@pytest.mark.parametrize("num_bytes", [1, 100, 16_384, 16_385, 100_000])
def test_backwards_gives_the_same_lines(tmp_path, num_bytes):
    path = tmp_path / "metrics.jsonl"
    lines = [b"x" * (number * 37 % 301) for number in range(1 + num_bytes // 150)]
    path.write_bytes(b"".join(line + b"\n" for line in lines) + b"torn")
    assert list(lines_backwards(path)) == [line for line in reversed(lines) if line]
    assert list(whole_lines(path)) == [line for line in lines if line]


@pytest.mark.parametrize("content", [b"", b"torn"])
def test_no_whole_line(tmp_path, content):
    path = tmp_path / "metrics.jsonl"
    assert list(whole_lines(path)) == []
    with pytest.raises(FileNotFoundError):
        list(lines_backwards(path))
    path.write_bytes(content)
    assert list(lines_backwards(path)) == list(whole_lines(path)) == []


def test_a_file_full_of_newlines_takes_no_more_room_than_its_portions(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"a\n" + b"\n" * 30_000_000 + b"b\n")
    tracemalloc.start()
    assert list(whole_lines(path)) == [b"a", b"b"]
    assert list(lines_backwards(path)) == [b"b", b"a"]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 40_000_000
