"""A whole deployment on one machine: its folder, and its services as processes."""
