"""From a weight name, URL or path to a local file: downloads, hub client, hashes."""
