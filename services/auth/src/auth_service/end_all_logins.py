"""Ending every login at once: for a database that was put back, in which logins stand open that had been ended."""

import time

from auth_service.open_logins import Ended, OpenLogins
from auth_service.revocations import RevocationLog
from service_chassis.database import Database
from service_chassis.settings import DatabaseSettings


async def end_all_logins(settings: DatabaseSettings, *, remember_for: float) -> Ended:
    """End all logins in the database, which is migrated first. Raises StorageUnavailable; running it again goes on.

    `remember_for`: seconds until no token of theirs could be accepted anyway.
    """
    database = Database.of(settings)
    try:
        await database.migrate("auth_service")
        log = RevocationLog(database, remember_for=remember_for, clock=time.time)
        return await OpenLogins(database, log, life=0, idle_life=0, clock=time.time).end_everybodys()
    finally:
        await database.close()
