"""Devices and processes: mesh, joined hosts, compile cache, random keys, atomic files."""
