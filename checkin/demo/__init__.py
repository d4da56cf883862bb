"""The demonstration: chapters, what they stand on, and how they are narrated."""
