"""What a line of `.env` means; docker compose reads the same file, and has to mean the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local import dotenv


@pytest.fixture
def read(tmp_path):
    def write_and_read(content):
        path = tmp_path / ".env"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return dotenv.read(path)

    return write_and_read


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("A= # none", ""),
        ("A = b c  # two words", "b c"),
        ("A=b\t# after a tab", "b"),
        ("A=b#c", "b#c"),
        ("export A=b", "b"),
        ("  A=b  ", "b"),
        ("A='b # c' # d", "b # c"),
        ("A='$b \\'", "$b \\"),
        ('A="b c"', "b c"),
        ('A=""', ""),
        ("A=http://x:1/v1?y=1&z=%20", "http://x:1/v1?y=1&z=%20"),
        ("A=당신은 비서입니다.", "당신은 비서입니다."),
    ],
)
def test_a_value_is_what_it_looks_like(read, line, value):
    assert read(line) == {"A": value}


@pytest.mark.parametrize(
    "line",
    [
        "A",
        "A:b",
        "=b",
        "1A=b",
        "A B=c",
        "A='b",
        "A='b'c",
        'A="$b"',
        'A="b\\n"',
        "A=b$c",
        "A=it's",
        "A=b\\",
    ],
)
def test_what_could_mean_something_else_is_refused_by_its_line(read, line):
    with pytest.raises(dotenv.BrokenDotenv, match="line 2"):
        read(f"# first\n{line}\n")


def test_a_name_twice_is_refused(read):
    with pytest.raises(dotenv.BrokenDotenv, match="line 3: A is set a second time"):
        read("A=1\nB=2\nA=1\n")


def test_files_of_windows_are_understood(read):
    assert read("\ufeffA=b\r\nC='d'\r\n") == {"A": "b", "C": "d"}


def test_a_file_that_is_not_text_is_refused(read):
    with pytest.raises(dotenv.BrokenDotenv, match="UTF-8"):
        read(b"A=\xff\n")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(dotenv.BrokenDotenv, match="cannot be read"):
        dotenv.read(tmp_path)


def test_no_file_is_no_variable(tmp_path):
    assert dotenv.read(tmp_path / ".env") == {}


@given(st.text(st.characters(exclude_characters="'\r\n", exclude_categories=("Cs",)), max_size=50))
def test_single_quotes_keep_everything(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("dotenv") / ".env"
    path.write_text(f"A='{value}'\n", encoding="utf-8")
    assert dotenv.read(path) == {"A": value}
