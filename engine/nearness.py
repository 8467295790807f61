"""Which symbols move together: correlations of session returns, as they are known row by row.

SPEC 2.7: 60 session returns. A session counts once its last row has closed, or the next one's first row has
come.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ..kernels.pairwise import PairwiseState, advance_pairs, pair_indices, pairwise_init
from ..kernels.types import FloatArray, IntArray

LOOKBACK_SESSIONS = 60


class Nearness:
    """Correlation of every pair of some symbols, carried on session by session."""

    def __init__(self, n_symbols: int) -> None:
        self.n_symbols = n_symbols
        self._state = pairwise_init(n_symbols, LOOKBACK_SESSIONS)
        self._known: FloatArray = np.full((n_symbols, n_symbols), np.nan)
        self._closes: FloatArray = np.full(n_symbols, np.nan)  # of the session in progress
        self._session_close_ns = 0
        self._open = False

    @property
    def known(self) -> FloatArray:
        """The matrix of the last session that has ended."""
        return self._known.copy()

    def advance(
        self, close_ns: IntArray, session_close_ns: IntArray, closes: FloatArray
    ) -> tuple[FloatArray, IntArray]:
        """Take rows and return the matrices that became known, and which of them each row may see.

        Parameters
        ----------
        close_ns, session_close_ns : ndarray of int64, shape (n_rows,)
        closes : ndarray of float64, shape (n_symbols, n_rows); NaN where there is no bar

        Returns
        -------
        ndarray of float64, shape (n_matrices, n_symbols, n_symbols), and of int64, shape (n_rows,)
        """
        matrices, seen = [self._known], np.zeros(len(close_ns), dtype=np.int64)
        begins = np.flatnonzero(np.diff(session_close_ns, prepend=self._session_close_ns))
        edges = np.unique(np.r_[0, begins, len(close_ns)])
        for start, stop in pairwise(map(int, edges)):
            if self._open and session_close_ns[start] != self._session_close_ns:
                matrices.append(self._end_session())  # the row of its close never came
            self._session_close_ns, self._open = int(session_close_ns[start]), True
            for s in range(self.n_symbols):
                known = np.flatnonzero(~np.isnan(closes[s, start:stop]))
                if len(known):
                    self._closes[s] = closes[s, start + known[-1]]
            seen[start:stop] = len(matrices) - 1
            if close_ns[stop - 1] >= session_close_ns[stop - 1]:
                matrices.append(self._end_session())
                self._open = False
                seen[stop - 1] = len(matrices) - 1
        return np.stack(matrices), seen

    def _end_session(self) -> FloatArray:
        n = self.n_symbols
        first, second = pair_indices(n)
        out = np.empty((len(first), 1))
        closes = np.ascontiguousarray(self._closes[:, None])
        advance_pairs(closes, LOOKBACK_SESSIONS, self._state, out, np.empty(1))
        matrix = self._known.copy()
        is_new = ~np.isnan(out[:, 0])  # a session without a common return leaves what was known
        matrix[first[is_new], second[is_new]] = out[is_new, 0]
        matrix[second[is_new], first[is_new]] = out[is_new, 0]
        self._known = matrix
        self._closes = np.full(n, np.nan)
        return matrix

    def save(self) -> dict[str, Any]:
        """State as named arrays."""
        return {
            "previous_close": self._state.previous_close.copy(),
            "headers": self._state.headers.copy(),
            "rings": self._state.rings.copy(),
            "known": self._known.copy(),
            "closes": self._closes.copy(),
            "session": np.array([self._session_close_ns, int(self._open)], dtype=np.int64),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up the state of `save`."""
        self._state = PairwiseState(
            *(np.array(saved[name]) for name in ("previous_close", "headers", "rings"))
        )
        self._known, self._closes = np.array(saved["known"]), np.array(saved["closes"])
        self._session_close_ns, self._open = int(saved["session"][0]), bool(saved["session"][1])
