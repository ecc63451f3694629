"""Run a module so that it never outlives the process that started it: `python -m signet.attended auth_service`.

Standard input is the other end of a pipe that only the parent holds. When the parent ends, however it ends, the kernel
closes that pipe, and this process ends itself as if it had been asked to. This holds on every Unix; Linux's
PR_SET_PDEATHSIG follows the thread that started a process, which may end long before its process does.
"""

import gc
import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 5.0
"""How long an orphan may take to end cleanly before it is cut off."""

IMPORTED = 200_000
"""How many objects may have been made before the first are looked through: what is imported stays, and to look for
garbage in it again and again takes a tenth of a start. A server sets what is right for it once it serves."""


def end_with_parent() -> None:
    """Wait for the pipe on standard input to close, then end this process."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Watch the parent in the background, and be the named module in the foreground."""
    threading.Thread(target=end_with_parent, name="end-with-parent", daemon=True).start()
    gc.set_threshold(IMPORTED)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
