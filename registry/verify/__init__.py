"""Verification: everything that a store holds is worked out anew from its raw rows and compared with what stands there.

It shares with what writes only what a hash is, how a sealed value opens, and what events mean: not how a tree grows,
how the present moves, or how a commit is put together. So neither's mistakes are repeated by the other.
"""
