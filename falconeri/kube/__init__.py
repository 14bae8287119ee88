"""The Kubernetes API, as far as Falconeri needs it: few verbs, plain JSON, our errors.

`objects` finds its way in what the API says, `connecting` finds the cluster, `api` has the verbs,
`watching` an open watch, `refusals` our words for its. Called by `falconeri.cluster` (workers) and
`falconeri.deployment` (Falconeri itself). Knows nothing of either.
"""
