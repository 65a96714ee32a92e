"""The domain: facts, states and decisions. State in, events out; no clock, no ids made, no storage, no cryptography."""
