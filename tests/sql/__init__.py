"""The state machine in sql/, function by function: what it hands out, refuses, repeats and locks."""
