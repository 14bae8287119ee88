"""The Python side of the database: migrations, the pool, the wrappers."""
