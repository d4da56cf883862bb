"""A node of a service's key ring: `checkin serve ring` (docs/spec/ring.md)."""
