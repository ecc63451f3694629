"""The passwords that everybody tries first."""

import importlib.util
from pathlib import Path


def common_passwords(*, shortest: int) -> frozenset[str]:
    """Return those with at least so many characters, in lower case, as the package zxcvbn lists them.

    Of the package it is the file of lists alone that is run: importing the whole makes dictionaries of other words
    too, which take ten times the memory, and nobody would use.
    """
    package = importlib.util.find_spec("zxcvbn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'zxcvbn'", name="zxcvbn")
    spec = importlib.util.spec_from_file_location(
        "zxcvbn.frequency_lists", Path(package.origin).with_name("frequency_lists.py")
    )
    assert spec is not None  # noqa: S101 -- it is None for a file of unknown kind
    assert spec.loader is not None  # noqa: S101 -- same
    lists = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lists)
    return frozenset(word for word in lists.FREQUENCY_LISTS["passwords"] if len(word) >= shortest)
