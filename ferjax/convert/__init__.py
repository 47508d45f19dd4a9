"""Foreign weights to ferjax variables, and back: strict in both directions."""
