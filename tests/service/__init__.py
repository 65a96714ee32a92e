"""The use cases of the library, from outside."""
