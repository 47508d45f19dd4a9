"""Suite `recognisers`: ferjax's recognisers and those of other projects, on the same faces."""
