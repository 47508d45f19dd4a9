"""The five papers, reproduced: experiments, a ledger of claims, verdicts, one report a paper."""
