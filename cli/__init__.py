"""The command line of the token registry: it opens the library, calls one method of it, and prints what came of it."""
