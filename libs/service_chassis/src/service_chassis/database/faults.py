"""When a database cannot do just now what was asked of it."""

from service_chassis.problems import Unavailable


class StorageUnavailable(Unavailable):
    """The database is locked, full or out of reach: this request changed nothing, what was acknowledged is kept."""

    def __init__(self, detail: str = "The database cannot be used just now. Nothing was changed.") -> None:
        super().__init__("storage_unavailable", detail, retry_after=1)


class UnfitDatabase(Exception):  # noqa: N818 -- what was found, for the person who has to make another
    """The database cannot hold what a service writes; the message says why."""


class OutcomeUnknown(StorageUnavailable):
    """The database went away while it was asked to commit, and only it knows whether it did."""

    def __init__(self) -> None:
        super().__init__("The database went away while it was saving. Whether anything was changed is not known.")
