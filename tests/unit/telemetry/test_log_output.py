"""Lines that nobody reads are lost and counted; they hold nobody up."""

import io
import os
import socket
import sys

import pytest

from service.telemetry.log_output import PIPE_BYTES, output

LINE = "x" * 999 + "\n"


@pytest.fixture(params=["pipe", "socket"])
def ends(request):
    """What is written to, as a stream, and the descriptor of who should read it."""
    if request.param == "pipe":
        reading, writing = os.pipe()
    else:
        reading, writing = (end.detach() for end in socket.socketpair())
    with open(writing, "w") as stream:  # noqa: PTH123 - a descriptor is no path
        yield stream, reading
    os.close(reading)


def read(descriptor):
    os.set_blocking(descriptor, False)
    data = b""
    try:
        while more := os.read(descriptor, 65536):
            data += more
    except BlockingIOError:
        pass
    return data.decode()


def test_lines_arrive_as_they_are_written(ends):
    stream, reading = ends
    lost = []
    written = output(stream, lost.append)
    written.write("one\n")
    written.write("둘 \udc80\n")
    written.flush()
    assert read(reading) == "one\n둘 \\udc80\n"
    assert lost == []


def test_what_does_not_fit_is_dropped_and_counted_and_whole_lines_follow(ends):
    stream, reading = ends
    lost = []
    written = output(stream, lost.append)
    for _ in range(4000):
        written.write(LINE)
    assert lost
    arrived = read(reading)
    written.write("after\n")
    lines = (arrived + read(reading)).splitlines(keepends=True)
    assert set(lines) == {LINE, "after\n"}
    assert len(lines) - 1 + len(lost) == 4000


def test_a_line_longer_than_the_buffer_is_completed_before_the_next(ends):
    stream, reading = ends
    written = output(stream, lambda _: None)
    long = "y" * (3 * PIPE_BYTES) + "\n"
    written.write(long)
    arrived = ""
    for _ in range(50):
        arrived += read(reading)
        written.write("z\n")
    first, *rest = arrived.splitlines(keepends=True)
    assert first == long
    assert set(rest) == {"z\n"}


def test_a_pipe_without_a_reader_is_no_failure():
    reading, writing = os.pipe()
    lost = []
    with open(writing, "w") as stream:  # noqa: PTH123
        written = output(stream, lost.append)
        os.close(reading)
        written.write("one\n")
    assert lost == [1]


def test_others_who_write_to_the_same_pipe_are_left_as_they_are():
    reading, writing = os.pipe()
    with open(writing, "w") as stream:  # noqa: PTH123
        output(stream, lambda _: None)
        assert os.get_blocking(writing)
    os.close(reading)


def test_files_and_streams_without_a_descriptor_are_written_to_as_they_are(tmp_path):
    with (tmp_path / "log").open("w") as file:
        assert output(file, print) is file
    memory = io.StringIO()
    assert output(memory, print) is memory
    assert output(sys.stdout, print).write("") in (None, 0)
