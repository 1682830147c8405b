import threading

import pytest

from service.errors import Overloaded
from service.resilience.admission import Admission


def test_a_turn_too_many_is_refused_after_a_bounded_wait():
    admission = Admission(2, wait_seconds=0.01)
    with admission.admit(), admission.admit(), pytest.raises(Overloaded), admission.admit():
        pass
    with admission.admit(), admission.admit():
        pass


def test_no_wait_at_all_can_be_configured():
    admission = Admission(1, wait_seconds=0)
    with admission.admit(), pytest.raises(Overloaded), admission.admit():
        pass


def test_a_slot_that_comes_free_in_time_is_taken():
    admission = Admission(1, wait_seconds=30)
    waited = threading.Event()

    def wait_for_a_slot() -> None:
        with admission.admit():
            waited.set()

    waiting = threading.Thread(target=wait_for_a_slot)
    with admission.admit():
        waiting.start()
        assert not waited.is_set()
    waiting.join(10)
    assert waited.is_set()


@pytest.mark.parametrize("end", [ValueError, GeneratorExit, KeyboardInterrupt])
def test_whatever_ends_a_turn_gives_its_slot_back(end):
    admission = Admission(1, wait_seconds=0)
    with pytest.raises(end), admission.admit():
        raise end
    with admission.admit():
        pass
