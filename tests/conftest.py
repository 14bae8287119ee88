"""Fixtures for all tests: `postgresql`, a connection to a fresh database of the run's server."""

from pytest_postgresql import factories

pytest_plugins = ["tests.plugins.embedded"]

# Its loaders are callables of any shape, which a strict type checker can't see through.
postgresql_noproc = factories.postgresql_noproc()  # pyright: ignore[reportUnknownMemberType]
postgresql = factories.postgresql("postgresql_noproc")
