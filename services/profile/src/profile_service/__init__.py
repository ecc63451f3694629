"""A resource server: each caller's own profile."""
