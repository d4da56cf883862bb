"""The transparency log, read and witnessed: RFC 6962 trees, C2SP tiles, checkpoints, cosignatures, proofs."""
