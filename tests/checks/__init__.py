"""Checks of the sources that are programs of their own; `./run check` runs them."""
