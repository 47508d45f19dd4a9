"""Downloads of weights files: resolves a name, URL or path; HTTP, Hugging Face hub, hashes."""
