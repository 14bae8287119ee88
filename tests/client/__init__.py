"""falconeri.client against a real HTTP server."""
