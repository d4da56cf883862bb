"""Orders of the authority, their parts and answers, as both sides read them."""
