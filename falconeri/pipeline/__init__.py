"""From a job's input to its datums. Above storage, below everything that knows of a database."""

from falconeri.pipeline.datums import plan_datums

__all__ = ["plan_datums"]
