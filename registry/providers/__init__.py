"""Providers: the external systems whose credentials the registry keeps."""
