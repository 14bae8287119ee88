"""The Python side of `sql/`: one typed function for each public SQL function, no rule inside.

`jobs`, `plans`, `datums`, `workers` and `outputs` hold the functions, `pool` the connections and
the one translation of SQLSTATEs into `falconeri.errors`, `migrate` the schema. For falconerid: the
worker and the command line speak HTTP instead (the CLI's `db` and `migrate` commands excepted).
"""
