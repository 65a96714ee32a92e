"""For tests and demonstrations: stand-ins for the systems that providers talk to."""
