"""The day-28 audit: what a service says of itself, and what anybody can check from files."""
