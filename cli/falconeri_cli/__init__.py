"""The `falconeri` command line: speaks to falconerid over HTTP, and prints."""
