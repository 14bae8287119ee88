"""The state machine in sql/, function by function: what it gives, refuses, repeats, locks."""
