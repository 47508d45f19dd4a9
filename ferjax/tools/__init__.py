"""Tools of `launch.prepare` and `launch.convert`: audit, face crops, cache, weight conversion."""
