"""What a run says, for people and for machines: terminal, conformance report, Allure results, diagnostics."""
