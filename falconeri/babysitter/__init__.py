"""What `falconerid tasks` does: starts and stops workers, finds what died and gives its work back.

`tasks` names the background tasks (procrastinate), `passes` is what the babysitter does each time,
`run` starts and stops it all. Decides nothing: the rules are in `sql/functions`.
"""
