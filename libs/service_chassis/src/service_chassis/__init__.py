"""What every Signet process does alike, so that each service's code is only about its own domain.

The rooms: `problems` (errors as RFC 9457 documents), `logs`, `tracing`, `request_bodies`, `operations` (probes and
metrics), `database`, `settings`, `server`, `workers`. `fit_out` puts the ones that surround a FastAPI application
around it, `resource_server` verifies its callers' tokens, and `process` runs it.
"""
