"""Samples of every stored format, and the program that wrote them."""
