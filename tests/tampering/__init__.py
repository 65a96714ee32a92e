"""What somebody can do who holds the database, with the identities of members or without any."""
