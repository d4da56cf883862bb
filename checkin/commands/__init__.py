"""The commands of `checkin …`, a file each; cli.py registers them."""
