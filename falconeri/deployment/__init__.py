"""Puts Falconeri into a Kubernetes cluster, looks after it there, and takes it away again.

Called by the command line, with the rights of the person at the keyboard. Knows nothing of jobs and
datums, and what runs in the cluster knows nothing of it.
"""
