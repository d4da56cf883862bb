"""Executing an order, at the authority: whom it asks, in which steps, and the result."""
