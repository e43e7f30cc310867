"""What formulas are made of: their arguments, their kinds, how they are traced and stored."""
