"""Array operations that XLA lacks or lowers badly, each with its plain form."""
