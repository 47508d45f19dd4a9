"""Compiled programs: XLA's options, what is kept between processes, limits of the machine."""
