"""Privacy-preserving QR check-in."""
