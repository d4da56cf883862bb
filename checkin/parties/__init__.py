"""The parties that run no service: holder (wallet), verifier (scanner) and the health authority."""
