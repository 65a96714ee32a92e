"""The domain alone: no store, no keys, no clock."""
