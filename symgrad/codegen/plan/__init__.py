"""From a record to equations that are safe to evaluate: their order, stable forms, masks, and blocks of rows."""
