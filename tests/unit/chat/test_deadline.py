from service.chat.deadline import Deadline, Silence
from tests.unit.resilience.fakes import Clock


def test_a_deadline_passes_at_its_time():
    clock = Clock()
    deadline = Deadline.after(5, clock)
    clock.sleep(4)
    assert (deadline.remaining(), deadline.passed()) == (1, False)
    clock.sleep(1)
    assert (deadline.remaining(), deadline.passed()) == (0, True)
    clock.sleep(100)
    assert deadline.remaining() == 0


def test_silence_adds_up_over_steps_and_ends_with_content():
    clock = Clock()
    silence = Silence(clock, cap_seconds=0.5)
    for _ in range(4):
        silence.resume()
        clock.sleep(0.25)
        silence.step()
    assert silence.seconds == 1
    silence.broken()
    assert silence.step() == 0


def test_a_process_that_was_held_up_does_not_blame_the_upstream():
    clock = Clock()
    silence = Silence(clock, cap_seconds=0.5)
    silence.resume()
    clock.sleep(20)
    assert silence.step() == 0.5


def test_the_time_between_steps_is_the_readers_own():
    clock = Clock()
    silence = Silence(clock, cap_seconds=0.5)
    clock.sleep(0.4)  # a slow caller: its answer is being written
    silence.resume()
    clock.sleep(0.1)
    assert round(silence.step(), 3) == 0.1
