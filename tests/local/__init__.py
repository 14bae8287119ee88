"""Tests of falconeri.local."""
