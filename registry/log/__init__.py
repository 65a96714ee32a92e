"""The tamper-evident log: its tree, its checkpoints, and the map of current rows; no storage, no clock."""
