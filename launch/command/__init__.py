"""What all commands share: flags from configs, errors, processes, JAX settings, --list."""
