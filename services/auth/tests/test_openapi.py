"""The OpenAPI document is true: generated requests, good and bad, meet nothing that it does not say."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from argon2.profiles import CHEAPEST
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from auth_service.app import create_app
from auth_service.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI
