"""What `launch.prepare` and `launch.convert` do: audits, face crops, caches, weight conversion."""
