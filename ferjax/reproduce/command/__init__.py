"""What `launch.reproduce` does behind its flags."""
