"""Text files open one way, plain or gzipped, and say what is wrong with them."""

import gzip

import pytest

from graphlift.data.lines import read_lines
from graphlift.errors import DataFormatError

TEXT = "\ufeffone\r\n\n  \nfour \x0b\u2028 five\n"  # byte order mark, blank lines, separators that end no line


def test_gzipped_reads_as_plain(tmp_path):
    (tmp_path / "plain").write_bytes(TEXT.encode())
    (tmp_path / "packed.gz").write_bytes(gzip.compress(TEXT.encode(), mtime=0))
    plain = list(read_lines(tmp_path / "plain"))
    assert plain == [(1, "one"), (4, "four \x0b\u2028 five")]
    assert list(read_lines(tmp_path / "packed.gz")) == plain


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("latin.txt", "café".encode("latin-1")),
        ("text.gz", b"not gzip"),
        ("cut.gz", gzip.compress(b"line\n" * 1000, mtime=0)[:-9]),
        ("damaged.gz", gzip.compress(b"line\n" * 1000, mtime=0)[:12] + b"\xff" * 40),
    ],
)
def test_unreadable_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataFormatError, match=name):
        list(read_lines(tmp_path / name))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataFormatError, match=r"absent\.tsv"):
        list(read_lines(tmp_path / "absent.tsv"))
