"""Providers: the external systems whose credentials the registry keeps."""

from registry.providers.catalogue import load, names

__all__ = ["load", "names"]
