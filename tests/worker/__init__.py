"""The worker: its parts with real processes and files, its life against a small falconerid."""
