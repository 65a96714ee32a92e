"""Domain-separation labels of the log, beside those of ``registry.sealing.labels``; none ever changes its meaning.

The tree's own nodes are separated by the one-byte prefixes of RFC 6962, and checkpoints by their origin line.
"""

LEAF = b"token-registry/v1/log-leaf"

ROW = b"token-registry/v1/present-row"
PRESENT_PLACE = b"token-registry/v1/present-place"
PRESENT_NODE = b"token-registry/v1/present-node"
PRESENT_BUCKET = b"token-registry/v1/present-bucket"
