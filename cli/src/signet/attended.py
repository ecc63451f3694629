"""Run a module so that it never outlives the process that started it: `python -m signet.attended auth_service`.

Standard input is the other end of a pipe that only the parent holds. When the parent ends, however it ends, the kernel
closes that pipe, and this process ends itself as if it had been asked to. This holds on every Unix; Linux's
PR_SET_PDEATHSIG follows the thread that started a process, which may end long before its process does.
"""

import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 5.0
"""How long an orphan may take to end cleanly before it is cut off."""


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
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
