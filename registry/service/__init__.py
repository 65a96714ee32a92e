"""The use cases: load what is there, let the domain decide, commit what it says."""
