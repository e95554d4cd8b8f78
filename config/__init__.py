"""What the company declares: models and loader; opens no connection."""
