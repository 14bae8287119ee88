"""The steps of `build.py`. Standard library only: a bare Python of the build machine runs them."""
