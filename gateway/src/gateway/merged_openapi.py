"""One OpenAPI document out of the services' own, restricted to what is public."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

from gateway.response_framing import BrokenAnswer
from gateway.routes import RouteTable
from gateway.upstreams import Upstream

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_LARGEST_DOCUMENT = 2 * 1024 * 1024
_FETCH_SECONDS = 2.0
_PREFIX = "#/components/"

_IN_COOKIES = (
    ' A browser can hold its login in cookies: `POST /login` with `"transport": "cookie"` beside the other members.'
    " Whatever asks for an access token then takes the cookie instead of `Authorization`, and `POST /refresh` and"
    " `POST /logout` take no body."
)
"""The services cannot say it: they know no cookie."""

Json = dict[str, Any]
Component = tuple[str, str]
"""Kind and name, such as `("schemas", "Order")`."""


class MergedOpenAPI:
    """The merged document, fetched anew when it is older than `max_age` seconds of `clock`.

    `upstreams` are found by the names of the route table. An upstream that cannot be asked is
    left out, and the description says so.
    """

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        routes: RouteTable,
        *,
        max_age: float,
        clock: Callable[[], float],
    ) -> None:
        self._upstreams = upstreams
        self._routes = routes
        self._max_age = max_age
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._document = b""
        self._good_until = 0.0

    async def document(self) -> bytes:
        """Return the document as JSON."""
        async with self._fetching:  # one fetch for all who wait
            if not self._document or self._clock() >= self._good_until:
                found = await asyncio.gather(*(self._fetch(upstream) for upstream in self._upstreams.values()))
                merged = merge(dict(zip(self._upstreams, found, strict=True)), self._routes)
                self._document = json.dumps(merged, ensure_ascii=False).encode()
                self._good_until = self._clock() + self._max_age
        return self._document

    async def _fetch(self, upstream: Upstream) -> Json | None:
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                body = await upstream.fetch("/openapi.json", most=_LARGEST_DOCUMENT)
            document = json.loads(body)
        except (BrokenAnswer, OSError, ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) and isinstance(document.get("paths"), dict) else None


def merge(documents: Mapping[str, Json | None], routes: RouteTable) -> Json:
    """Merge the services' documents, by upstream name; None stands for one that could not be had.

    Of each service come the paths that the table sends to it, and the components those reach. A component, operation id
    or security scheme whose name another service uses for something else gets its service's name in front.
    """
    merged = _Merged(routes)
    missing = [name for name, document in documents.items() if document is None or not merged.add(name, document)]
    description = "Everything behind the one door, put together from what each service says of itself." + _IN_COOKIES
    if missing:
        description += f" Left out, because it could not be asked just now: {', '.join(missing)}."
    return {
        "openapi": "3.1.0",
        "info": {"title": "Signet", "version": version("signet-gateway"), "description": description},
        "servers": [{"url": "/"}],
        "paths": merged.paths,
        "components": merged.components,
    }


class _Merged:
    def __init__(self, routes: RouteTable) -> None:
        self._routes = routes
        self.paths: dict[str, Json] = {}
        self.components: dict[str, Json] = {}
        self._closures: dict[Component, dict[Component, Any]] = {}
        self._operation_ids: set[str] = set()

    def add(self, service: str, document: Json) -> bool:
        """Take in one service's document; return False, having taken nothing, if it is not an OpenAPI document."""
        components = document.get("components") or {}
        public = {path: item for path, item in document["paths"].items() if self._routes.upstream_of(path) == service}
        if not all(isinstance(item, dict) for item in (components, *public.values(), *_operations(public))):
            return False
        try:
            for operation in _operations(public):
                if "security" in document:
                    operation.setdefault("security", document["security"])
            reached = _closure(components, public)
            names = {component: self._name(service, component, components) for component in reached}
            public = _renamed(public, names)
            renamed = {component: _renamed(body, names) for component, body in reached.items()}
        except (AttributeError, KeyError, TypeError, RecursionError):
            return False
        for operation in _operations(public):
            self._settle_operation(service, operation)
        self.paths.update(public)
        for (kind, name), body in renamed.items():
            self.components.setdefault(kind, {})[names[kind, name]] = body
            self._closures[kind, names[kind, name]] = _closure(components, {"$ref": f"{_PREFIX}{kind}/{name}"})
        return True

    def _name(self, service: str, component: Component, components: Json) -> str:
        """Return the name for a component: its own, unless another service means something else by it."""
        kind, name = component
        known = self._closures.get(component)
        if known is None or known == _closure(components, {"$ref": f"{_PREFIX}{kind}/{name}"}):
            return name
        return _free(f"{service}_{name}", {taken for taken_kind, taken in self._closures if taken_kind == kind})

    def _settle_operation(self, service: str, operation: Json) -> None:
        operation.setdefault("tags", [service])
        if isinstance(name := operation.get("operationId"), str):
            if name in self._operation_ids:
                operation["operationId"] = name = _free(f"{service}_{name}", self._operation_ids)
            self._operation_ids.add(name)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _operations(paths: Mapping[str, Json]) -> Iterator[Json]:
    for item in paths.values():
        for method in _METHODS:
            if method in item:
                yield item[method]


def _closure(components: Json, start: object) -> dict[Component, Any]:
    """Return every component that `start` refers to, directly or through others."""
    reached: dict[Component, Any] = {}
    waiting = list(_references(start))
    while waiting:
        kind, name = component = waiting.pop()
        if component not in reached:
            reached[component] = components[kind][name]
            waiting.extend(_references(reached[component]))
    return reached


def _references(node: object) -> Iterator[Component]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str) and (component := _component(value)):
                yield component
            elif key == "security" and isinstance(value, list):
                for requirement in value:
                    yield from (("securitySchemes", scheme) for scheme in requirement)
            elif key == "discriminator" and isinstance(value, dict):
                yield from (found for target in (value.get("mapping") or {}).values() if (found := _component(target)))
            else:
                yield from _references(value)


def _component(reference: str) -> Component | None:
    if not reference.startswith(_PREFIX):
        return None
    kind, _, name = reference.removeprefix(_PREFIX).partition("/")
    return kind, name.split("/")[0]


def _renamed(node: Any, names: Mapping[Component, str]) -> Any:  # noqa: ANN401 -- any JSON in, the same shape out
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    renamed: Json = {}
    for key, value in node.items():
        if key == "$ref" and isinstance(value, str):
            renamed[key] = _renamed_reference(value, names)
        elif key == "security" and isinstance(value, list):
            renamed[key] = [
                {names["securitySchemes", scheme]: scopes for scheme, scopes in requirement.items()}
                for requirement in value
            ]
        elif key == "discriminator" and isinstance(value, dict) and "mapping" in value:
            mapping = {tag: _renamed_reference(target, names) for tag, target in value["mapping"].items()}
            renamed[key] = {**value, "mapping": mapping}
        else:
            renamed[key] = _renamed(value, names)
    return renamed


def _renamed_reference(reference: str, names: Mapping[Component, str]) -> str:
    component = _component(reference)
    if component is None or component not in names:
        return reference
    kind, name = component
    rest = reference.removeprefix(f"{_PREFIX}{kind}/{name}")
    return f"{_PREFIX}{kind}/{names[component]}{rest}"
