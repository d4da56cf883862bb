"""The day-28 audit: what a service says of itself, and what anyone can check from files."""
