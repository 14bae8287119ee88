"""What `./run bench http` measures, and the programs that it starts for it."""
