"""Judging another wallet or scanner by docs/spec/wallet.md and scanner.md: the harness is its network and its clock."""
