"""The catalog on disk: tables, ledger, embeddings and model files. No rule about consent lives here."""
