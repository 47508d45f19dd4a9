"""The conversion engine: name templates, axis layouts, strict matching in both directions."""
