"""Tests of `falconeri.pipeline`."""
