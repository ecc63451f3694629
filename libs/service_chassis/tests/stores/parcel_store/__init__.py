"""A package with migrations, as a service is one."""
