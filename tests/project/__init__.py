"""The project's own rules: imports, public names, documents, style, packaging."""
