import fcntl
import json
import resource
import signal

import pytest

from service.access.ledger import Call, Facts, LedgerRow
from service.access.spool import Spool, SpoolFull


def row(number, *calls):
    facts = Facts(f"turn-{number}", "질문-1", "team-a", None, "/chat")
    return LedgerRow(facts, "completed", None, number, 5, calls)


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool")
    yield spool
    spool.clear()


def left_behind(folder):
    return [list(rows) for rows in Spool(folder).left_behind()]


def test_rows_come_back_as_they_were_in_their_order(spool):
    rows = [row(1, Call("main", 1, 2, 1, estimated=True, cost=5), Call("small", 3, 4)), row(2)]
    spool.add(rows[:1])
    spool.add(rows[1:])
    assert spool.rows == 2
    assert list(spool.own_rows()) == rows
    spool.clear()
    assert (spool.rows, list(spool.own_rows())) == (0, [])
    spool.add([row(3)])
    assert list(spool.own_rows()) == [row(3)]


def test_a_file_is_nobody_elses_while_its_process_lives(spool, tmp_path):
    spool.add([row(1)])
    assert left_behind(tmp_path / "spool") == []
    spool._file.close()
    assert left_behind(tmp_path / "spool") == [[row(1)]]
    assert left_behind(tmp_path / "spool") == []


def test_a_file_is_nobody_elses_while_it_is_made(spool, tmp_path, monkeypatch):
    def lock_after_others(file, operation):
        monkeypatch.undo()
        assert left_behind(tmp_path / "spool") == []
        fcntl.flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", lock_after_others)
    spool.add([row(1)])
    assert list(spool.own_rows()) == [row(1)]


def test_a_file_stays_when_its_rows_could_not_be_stored(spool, tmp_path):
    spool.add([row(1)])
    spool._file.close()
    files = Spool(tmp_path / "spool").left_behind()
    assert list(next(files)) == [row(1)]
    files.close()
    assert left_behind(tmp_path / "spool") == [[row(1)]]


def test_two_processes_that_take_over_at_the_same_time_share_the_files(tmp_path):
    for number in (1, 2):
        spool = Spool(tmp_path)
        spool.add([row(number)])
        spool._file.close()
    files = Spool(tmp_path).left_behind()
    taken = list(next(files))
    assert sorted([taken, *left_behind(tmp_path)], key=str) == [[row(1)], [row(2)]]
    assert list(files) == []
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_a_crash_cut_short_hides_no_other(spool, tmp_path):
    spool.add([row(1), row(2)])
    path = next((tmp_path / "spool").glob("*.rows"))
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first[:-5] + b"\n" + second + b"\n" + first[:20])
    assert list(spool.own_rows()) == [row(2)]


def test_what_does_not_fit_is_refused_and_the_rest_stays(tmp_path):
    spool = Spool(tmp_path, most_bytes=700)
    spool.add([row(1)])
    with pytest.raises(SpoolFull):
        spool.add([row(number) for number in range(10)])
    assert list(spool.own_rows()) == [row(1)]
    spool.clear()


def test_a_full_disk_leaves_no_half_of_a_line(spool, tmp_path):
    spool.add([row(1)])
    path = next((tmp_path / "spool").glob("*.rows"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, hard))
        for _ in range(2):
            with pytest.raises(OSError):  # noqa: PT011 - whichever: the disk says it in two ways
                spool.add([row(2)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    spool.add([row(3)])
    assert list(spool.own_rows()) == [row(1), row(3)]


def test_the_file_is_read_by_its_owner_alone(spool, tmp_path):
    spool.add([row(1)])
    path = next((tmp_path / "spool").glob("*.rows"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text().splitlines()[0])["facts"]["key"] == "team-a"
