"""Keys at rest: slot files, the key rings, the officers' shares, and hardening of processes that hold keys."""
