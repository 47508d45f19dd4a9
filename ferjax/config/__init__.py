"""Configuration: dataclasses behind the flags, validation, config.json and its format versions."""
