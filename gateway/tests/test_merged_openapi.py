"""One document out of several: nothing internal in it, and no reference that leads elsewhere than before."""

from typing import Any

import pytest

from gateway.merged_openapi import merge
from gateway.routes import RouteTable

Json = dict[str, Any]


def document(paths: Json, schemas: Json | None = None, **components: Json) -> Json:
    return {
        "openapi": "3.1.0",
        "info": {"title": "x", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas or {}, **components},
    }


def answers(schema: str, operation: str = "list", **more: Any) -> Json:  # noqa: ANN401
    reference = {"$ref": f"#/components/schemas/{schema}"}
    content = {"application/json": {"schema": reference}}
    return {"get": {"operationId": operation, "responses": {"200": {"description": "", "content": content}}, **more}}


def schema_of(merged: Json, path: str) -> Json:
    answer = merged["paths"][path]["get"]["responses"]["200"]
    reference = answer["content"]["application/json"]["schema"]["$ref"]
    found = merged["components"]["schemas"][reference.removeprefix("#/components/schemas/")]
    assert isinstance(found, dict)
    return found


TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def test_only_public_paths_and_what_they_reach_are_shown() -> None:
    """Internal routes, another service's paths, and the schemas only they use are left out."""
    paths = {
        "/api/orders": answers("Page"),
        "/api/orders/{id}": answers("Order", "read"),
        "/healthz": answers("Secret", "alive"),
        "/api/profile": answers("Secret", "not_mine"),
        "/internal": answers("Secret", "internal"),
    }
    schemas = {"Page": {"items": {"$ref": "#/components/schemas/Order"}}, "Order": TEXT, "Secret": NUMBER}
    merged = merge({"orders": document(paths, schemas)}, RouteTable())
    assert set(merged["paths"]) == {"/api/orders", "/api/orders/{id}"}
    assert set(merged["components"]["schemas"]) == {"Page", "Order"}


def test_a_name_that_means_two_things_gets_its_services_name_and_its_references_follow() -> None:
    """Also when the two look alike and only what they refer to differs."""
    merged = merge(
        {
            "profile": document(
                {"/api/profile": answers("Page")},
                {"Page": {"items": {"$ref": "#/components/schemas/Item"}}, "Item": TEXT},
            ),
            "orders": document(
                {"/api/orders": answers("Page")},
                {"Page": {"items": {"$ref": "#/components/schemas/Item"}}, "Item": NUMBER},
            ),
        },
        RouteTable(),
    )
    for path, item in (("/api/profile", TEXT), ("/api/orders", NUMBER)):
        reference = schema_of(merged, path)["items"]["$ref"]
        assert merged["components"]["schemas"][reference.removeprefix("#/components/schemas/")] == item


def test_what_is_the_same_is_shown_once() -> None:
    """A schema that all services share, down to what it refers to, stays one schema under its own name."""
    schemas = {"Problem": {"properties": {"errors": {"$ref": "#/components/schemas/Fault"}}}, "Fault": TEXT}
    merged = merge(
        {
            "profile": document({"/api/profile": answers("Problem")}, schemas),
            "orders": document({"/api/orders": answers("Problem")}, schemas),
        },
        RouteTable(),
    )
    assert set(merged["components"]["schemas"]) == {"Problem", "Fault"}


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    """Recursion in the schema is none in the merging; and it is renamed throughout."""
    tree = {"properties": {"left": {"$ref": "#/components/schemas/Tree"}}}
    merged = merge(
        {
            "profile": document({"/api/profile": answers("Tree")}, {"Tree": TEXT}),
            "orders": document({"/api/orders": answers("Tree")}, {"Tree": tree}),
        },
        RouteTable(),
    )
    assert schema_of(merged, "/api/orders") == {"properties": {"left": {"$ref": "#/components/schemas/orders_Tree"}}}


def test_a_discriminators_mapping_follows_too() -> None:
    """Its values are references without the word."""
    kinds = {"discriminator": {"propertyName": "k", "mapping": {"a": "#/components/schemas/A"}}}
    merged = merge(
        {
            "profile": document({"/api/profile": answers("A")}, {"A": TEXT}),
            "orders": document({"/api/orders": answers("Kinds")}, {"Kinds": kinds, "A": NUMBER}),
        },
        RouteTable(),
    )
    assert schema_of(merged, "/api/orders")["discriminator"]["mapping"] == {"a": "#/components/schemas/orders_A"}
    assert merged["components"]["schemas"]["orders_A"] == NUMBER


def test_operation_ids_are_unique() -> None:
    """A generator of clients needs that."""
    merged = merge(
        {
            "profile": document({"/api/profile": answers("A", "read")}, {"A": TEXT}),
            "orders": document({"/api/orders": answers("A", "read")}, {"A": TEXT}),
        },
        RouteTable(),
    )
    assert merged["paths"]["/api/profile"]["get"]["operationId"] == "read"
    assert merged["paths"]["/api/orders"]["get"]["operationId"] == "orders_read"


def test_security_schemes_are_merged_and_requirements_follow() -> None:
    """The same scheme is one, another of that name another; a document's own requirement goes to its operations."""
    bearer = {"type": "http", "scheme": "bearer"}
    orders = document({"/api/orders": answers("A")}, {"A": TEXT}, securitySchemes={"bearer": bearer, "unused": bearer})
    orders["security"] = [{"bearer": []}]
    profile = document({"/api/profile": answers("A", security=[{"bearer": []}])}, {"A": TEXT})
    profile["components"]["securitySchemes"] = {"bearer": bearer}
    auth = document({"/login": answers("A", security=[{"bearer": []}])}, {"A": TEXT})
    auth["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "basic"}}
    merged = merge({"orders": orders, "profile": profile, "auth": auth}, RouteTable())
    assert set(merged["components"]["securitySchemes"]) == {"bearer", "auth_bearer"}
    assert merged["paths"]["/api/orders"]["get"]["security"] == [{"bearer": []}]
    assert merged["paths"]["/api/profile"]["get"]["security"] == [{"bearer": []}]
    assert merged["paths"]["/login"]["get"]["security"] == [{"auth_bearer": []}]


@pytest.mark.parametrize(
    "broken",
    [
        None,
        {"paths": {"/api/orders": "nonsense"}},
        {"paths": {"/api/orders": {"get": "nonsense"}}},
        {"paths": {"/api/orders": answers("A")}, "components": {"schemas": ["A"]}},
        {"paths": {"/api/orders": answers("Missing")}},
        {"paths": {"/api/orders": answers("A")}, "components": "nonsense"},
    ],
)
def test_a_service_that_cannot_be_asked_is_left_out_and_said_so(broken: Json | None) -> None:
    """The others' documentation does not suffer."""
    profile = document({"/api/profile": answers("A")}, {"A": TEXT})
    merged = merge({"profile": profile, "orders": broken}, RouteTable())
    assert set(merged["paths"]) == {"/api/profile"}
    assert "orders" in merged["info"]["description"]
