"""The doors of the authorization server, one module per resource."""
