"""Devices and processes: mesh, sharding, multi-host runs, compile cache, random keys, files."""
