"""Five papers reproduced: experiments, a ledger of claims with verdicts, one report a paper."""
