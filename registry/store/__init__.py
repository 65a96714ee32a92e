"""The store: how facts become stored bytes, and the one transaction that keeps a commit's parts together."""
