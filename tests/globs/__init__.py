"""Tests of `falconeri.globs`."""
