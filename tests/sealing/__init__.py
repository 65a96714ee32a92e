"""The sealing, opened and attacked."""
