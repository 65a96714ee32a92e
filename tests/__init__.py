"""The tests, one folder for each room of the project; a package, so that none of them hides a package of that name."""
