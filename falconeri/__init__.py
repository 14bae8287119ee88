"""Falconeri: distributed batch jobs on Kubernetes, with PostgreSQL knowing everything.

The library and the server. What a layer may import is listed in pyproject.toml.
"""

__version__ = "0.1.0"
