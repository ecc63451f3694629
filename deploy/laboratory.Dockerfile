# The session twin: the same small app with sessions. It is made of the services' own parts, and no service needs it.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY build-tools.lock .
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /build && /build/bin/pip install --disable-pip-version-check --require-hashes -r build-tools.lock
COPY comparison/requirements.lock .
RUN --mount=type=cache,target=/root/.cache/uv \
    /build/bin/uv venv --python "$(command -v python3)" /venv && \
    /build/bin/uv pip sync --python /venv/bin/python --link-mode copy --compile-bytecode --require-hashes requirements.lock
COPY libs libs
COPY services services
COPY comparison comparison
RUN for member in libs/* services/* comparison; do \
      PATH=/build/bin:$PATH /build/bin/uv build -q --wheel --no-build-isolation --python /build/bin/python -o /wheels "$member"; done && \
    /build/bin/uv pip install --python /venv/bin/python --link-mode copy --compile-bytecode \
      --offline --no-index --no-deps /wheels/*.whl

FROM ${PYTHON_IMAGE}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN install -d -o 10001 -g 10001 -m 0700 /data
COPY deploy/probe.py /probe.py
COPY --from=build /venv /venv
USER 10001:10001
CMD ["python", "-m", "session_twin"]
