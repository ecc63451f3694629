"""Being asked to end: once, and not in the middle of cleaning up."""

import os
import signal
import threading

import pytest

from signet.signals import ENDING, Interrupted, interruptible, undisturbed


@pytest.mark.parametrize("number", ENDING)
def test_only_the_first_signal_interrupts(number: signal.Signals) -> None:
    """A second Ctrl-C does not break off the end that the first one began; afterwards all is as before."""
    found = signal.signal(number, signal.SIG_DFL)  # under nohup, SIGHUP is ignored, and stays so
    try:
        with interruptible():
            with pytest.raises(Interrupted):
                os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, found)


def test_a_clean_up_is_finished_before_a_signal_counts() -> None:
    """A signal that comes while things are ended is kept until they have ended."""
    done = []

    def clean_up() -> None:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("cleaned up")

    ended = threading.Event()
    bystander = threading.Thread(target=ended.wait)  # another thread, which could take the signal
    bystander.start()
    try:
        with interruptible(), pytest.raises(Interrupted):
            clean_up()
    finally:
        ended.set()
        bystander.join()
    assert done == ["cleaned up"]
