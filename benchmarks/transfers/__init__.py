"""Files that travel: what `./run bench worker` measures with."""
