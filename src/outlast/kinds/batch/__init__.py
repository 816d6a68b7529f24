"""What only `batch_inference` needs: rows, calls, and the ledger of what is finished."""
