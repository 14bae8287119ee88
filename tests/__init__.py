"""The tests: start with `./run test`."""
