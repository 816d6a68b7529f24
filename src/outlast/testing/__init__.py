"""What tests of kinds, of adapters and of Outlast itself are made with. Nothing else imports it.

`run_kind` runs a kind without a server. `store_contract` and `store_machine` (which need pytest and
hypothesis) hold a store to the ports, `objects_contract` an object store to its own;
`dialect_contract` holds a dialect to its port, and `goldens` its answers to what they were; `clock`
has a clock to turn.
"""

from outlast.testing.running import RunResult, run_kind

__all__ = ["RunResult", "run_kind"]
