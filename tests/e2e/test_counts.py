# SPDX-License-Identifier: MIT
"""What is asked of the kernel and of the allocator does not grow unnoticed. It judges no time."""
import json

import counts
import pytest


@pytest.mark.skipif(not counts.counts_are_possible(), reason="sanitizers allocate on their own")
@pytest.mark.parametrize("kind", counts.SIZES)
def test_counts(box, kind):
    """Should more be wanted: tests/e2e/counts.py renews the figures, and the change shows them."""
    committed = json.loads(counts.FILE.read_text())
    for _ in range(2):  # a reading that others' changes interrupt is begun anew
        more = list(counts.excesses(kind, counts.measure(box, kind), committed))
        if not more:
            break
    assert not more, "more than tests/e2e/counts.json has:\n" + "\n".join(more)
