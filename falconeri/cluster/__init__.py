"""Where workers run: the `Cluster` interface (`base`) and workers as local processes (`local`).

Called by the babysitter and the daemon, which know only the interface. Knows neither the database
nor what workers do.
"""
