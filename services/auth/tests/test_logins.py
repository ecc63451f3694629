"""A login: what it gives to whom, and what it gives away to nobody."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, event

from auth_service.first_administrator import create_first_administrator
from auth_service.scopes import RESOURCES, SCOPES
from services_auth_support import cheap_hasher, real_hasher
from token_verification import AccessTokenVerifier, InvalidToken, StaticKeySet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.auth.tests.conftest import Auth, Start

FOR_EVERYONE = ["profile:read", "profile:write", "orders:read", "orders:write", "logins:manage"]
FOR_ADMINISTRATORS = ["profiles:read", "orders:ship", "accounts:manage", "keys:manage"]
