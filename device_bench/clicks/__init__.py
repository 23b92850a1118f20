"""Click bundles on the bench: 200 candidates and the whole catalogue a request, AUC of the test rows."""
