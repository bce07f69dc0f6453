"""The kill matrix: which requirement objects to which deliberate fault, and that none objects to a benign variant."""
