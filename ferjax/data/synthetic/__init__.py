"""The built-in data set `synthetic`: faces drawn from facial action units."""
