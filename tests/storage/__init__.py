"""Tests of `falconeri.storage`."""
