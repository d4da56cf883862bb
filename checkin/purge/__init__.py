"""Destroying what is due: the inventory, the guard of the clock, the purger and its statements."""
