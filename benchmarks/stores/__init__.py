"""The parts of `./run bench storage`: who moves the same bytes by which means."""
