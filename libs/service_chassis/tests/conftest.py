"""A small application inside the chassis, and a client for it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from tests.postgresql_plugin import NewDatabase

from service_chassis.fit_out import observe, take_json
from service_chassis.problems import Problem
from service_chassis.tracing import outgoing_headers


class Parcel(BaseModel):
    model_config = ConfigDict(extra="forbid")
    weight: int
    password: Annotated[str, Field(max_length=5)] = ""


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    take_json(app)

    @app.post("/parcels")
    async def send(parcel: Parcel) -> int:
        return parcel.weight

    @app.get("/parcels/{number}")
    async def find(number: int) -> int:
        return number

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("a secret cause")

    @app.get("/gone")
    async def gone() -> None:
        raise Problem(410, "gone", "It was here.", headers={"X-Where": "nowhere"}, since=1999)

    @app.get("/onwards")
    async def onwards() -> dict[str, str]:
        return outgoing_headers()

    async def never() -> str:
        return "The moon is not up."

    async def always() -> None:
        return None

    observe(app, readiness={"moon": never, "sun": always})
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chassis") as client:
        yield client


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the packages with migrations importable; return the folder that they lie in."""
    folder = Path(__file__).parent / "stores"
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def database_url(new_database: NewDatabase, stores: Path, tmp_path: Path) -> str:
    """Give the URL of a database with nothing in it; on SQLite it is the file `data/parcels.db`."""
    return new_database(tmp_path / "data" / "parcels.db")
