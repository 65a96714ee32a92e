"""What every store must keep to, and how this one refuses what is not its own."""
