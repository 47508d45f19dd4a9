"""From stored predictions and curves to values with intervals, and from these to verdicts."""
