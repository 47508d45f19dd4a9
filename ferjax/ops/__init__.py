"""Array operations that the networks need and XLA lacks or lowers badly, each with its plain form."""
