"""How `./run bench sql` measures: what a queue is, who works on it, and the report."""
