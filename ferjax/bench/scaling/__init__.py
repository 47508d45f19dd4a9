"""How training scales over devices: measured where there are some, counted, and predicted."""
