"""The usual Python demo's gateway: FastAPI, and one httpx client for all. `python usual_gateway.py PORT UPSTREAM`."""

import sys

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response

PORT, UPSTREAM = sys.argv[1:]
NOT_FORWARDED = {"host", "connection", "content-length", "transfer-encoding"}

app = FastAPI()
client = httpx.AsyncClient(base_url=UPSTREAM)


@app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def forward(request: Request) -> Response:
    """Ask the upstream the same, and hand its answer on."""
    answer = await client.request(
        request.method,
        request.url.path,
        params=request.query_params,
        headers={name: value for name, value in request.headers.items() if name not in NOT_FORWARDED},
        content=await request.body(),
    )
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))


if __name__ == "__main__":
    uvicorn.run(app, port=int(PORT), access_log=False, log_level="warning")
