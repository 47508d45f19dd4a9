"""What `launch.bench` does behind its flags."""
