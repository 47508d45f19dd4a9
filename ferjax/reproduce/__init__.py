<<<<<<< HEAD
"""The five papers, reproduced: experiments, a ledger of claims, verdicts, one report a paper."""
=======
"""Five papers reproduced: experiments, a ledger of claims with verdicts, one report a paper."""
>>>>>>> rep
