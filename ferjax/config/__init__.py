"""What a user asks for: configuration dataclasses, flags, checks, JSON files and formats."""
