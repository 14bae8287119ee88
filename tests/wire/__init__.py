"""Tests of `falconeri.wire`."""
