"""A resource server: the catalogue, and each caller's own orders."""
