"""Programs that XLA compiled, kept between processes."""
