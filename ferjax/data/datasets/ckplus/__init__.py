"""CK+ (Extended Cohn-Kanade): its three layouts on disk."""
