"""What a table is: its declaration, a value. Nothing here looks at rows or at a lakehouse.

A strategy says how a table is refreshed; `refresh/` has a planner for each. Audits are made in
`tables/audits/`.
"""
