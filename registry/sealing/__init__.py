"""Sealing: everything that turns a value into bytes the database may see, and back."""
