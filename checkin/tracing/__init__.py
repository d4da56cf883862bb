"""Executing an order, at the authority: the parties, the steps, and the result."""
