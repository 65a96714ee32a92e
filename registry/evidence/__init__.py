"""Evidence for outsiders: a folder that proves a registry's history to whoever holds none of its keys."""
