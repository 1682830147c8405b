import os

from deploy.local.changes import Changes


def test_a_file_that_is_written_added_or_removed_is_a_change(tmp_path):
    source = tmp_path / "deep" / "a.py"
    source.parent.mkdir()
    source.write_text("1")
    changes = Changes(tmp_path)
    assert not changes.any()
    os.utime(source, (1, 1))
    assert changes.any()
    assert not changes.any()
    (tmp_path / "b.toml").write_text("")
    assert changes.any()
    source.unlink()
    assert changes.any()


def test_what_python_writes_itself_is_none(tmp_path):
    changes = Changes(tmp_path)
    (tmp_path / "a.pyc").write_text("")
    assert not changes.any()
