"""The stress run's parts: see tests/sql/test_stress.py."""
