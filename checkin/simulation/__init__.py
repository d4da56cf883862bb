"""A town over time: its habits, its days at real services under a simulated clock, an outbreak, and what came of it."""
