"""Examples of ferjax in research code, run by tests/examples."""
