"""Exports: the history in the forms that other tools read. Data in, text out; nothing is read or written here."""
