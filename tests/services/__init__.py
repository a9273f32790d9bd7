"""The AI services and the clinical API on a whole stack."""
