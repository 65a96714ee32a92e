"""Views: what people and programs are shown of tokens and their history."""
