"""FER+: vote files, and the four rules that turn votes into labels."""
