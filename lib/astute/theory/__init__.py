"""What the papers state, made checkable: one module per paper, each check able to fail."""
